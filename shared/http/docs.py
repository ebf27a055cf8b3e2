"""`/openapi.json` and `/docs`: the API for programs and for people, with nothing from elsewhere."""

import hashlib
from collections.abc import Iterable
from html import escape
from pathlib import Path

import msgspec
import swagger_ui_bundle
from aiohttp import web

from shared.errors import NotFound
from shared.http.endpoints import Endpoint
from shared.http.openapi import document

_BUNDLE = Path(str(swagger_ui_bundle.swagger_ui_path))

_ASSETS = {
    name: _BUNDLE / name
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-16x16.png", "favicon-32x32.png")
}
"""All that `/docs/assets/` serves. No other name is looked up on disk."""

_START = """\
window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
  });
});
"""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> does not.</noscript>
<script src="docs/assets/swagger-ui-bundle.js"></script>
<script src="docs/assets/start.js"></script>
</body>
</html>
"""

# Swagger UI draws its icons from data URLs; it needs no inline script and no inline style.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REVALIDATE = "no-cache"
_AN_HOUR = "public, max-age=3600"


def documentation(
    app: web.Application, *, title: str, description: str, endpoints: Iterable[Endpoint]
) -> None:
    """Add the OpenAPI document of `endpoints` to `app`, and a page that shows it."""
    interface = msgspec.json.encode(
        document(title=title, description=description, endpoints=endpoints)
    )
    page = _PAGE.format(title=escape(title)).encode()

    async def openapi(request: web.Request) -> web.Response:
        return stored(request, interface, "application/json")

    async def docs(request: web.Request) -> web.Response:
        response = stored(request, page, "text/html")
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    app.router.add_get("/openapi.json", openapi)
    app.router.add_get("/docs", docs)
    app.router.add_get("/docs/assets/{file}", _asset)


async def _asset(request: web.Request) -> web.StreamResponse:
    name = request.match_info["file"]
    if name == "start.js":
        return stored(request, _START.encode(), "text/javascript")
    if name not in _ASSETS:
        raise NotFound("No such file.")
    return web.FileResponse(_ASSETS[name], headers={"Cache-Control": _AN_HOUR})


def stored(request: web.Request, body: bytes, content_type: str) -> web.Response:
    """A reply with `body`, or 304 if the client has it already (RFC 9110, section 13.1.2)."""
    etag = hashlib.sha256(body).hexdigest()[:32]
    known = request.if_none_match or ()
    if any(candidate.value in (etag, "*") for candidate in known):
        response = web.Response(status=304)
    else:
        response = web.Response(body=body, content_type=content_type, charset="utf-8")
    response.etag = etag
    response.headers["Cache-Control"] = _REVALIDATE
    return response
