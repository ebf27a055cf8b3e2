"""The browser client at `/`: built files, each with the caching it allows, under a strict policy.

It never looks for a name on disk: what was built is read once, when the service starts.
"""

import gzip
import hashlib
import mimetypes
from pathlib import Path

import msgspec
from aiohttp import web
from msgspec import Struct

from shared.errors import NotFound
from shared.http.docs import stored

BUILT = Path(__file__).parents[1] / "web" / "dist"
"""What `make web` makes."""

_NOT_BUILT = b"""\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Messages</title></head>
<body>
<h1>The page is not built</h1>
<p>The service itself is complete: see <a href="docs">its documentation</a>. To have the page, run
<code>make web</code> where the sources are, then start the service again. It uses Node.js 20.19 or
newer where there is one, and fetches its own otherwise.</p>
</body>
</html>
"""

# Only this page's own files, and no markup made from text; requests go to this origin and to the
# auth service. 'self' in connect-src covers the WebSocket (CSP level 3, section 6.7.2.8).
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src {origins}; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
_FOR_EVER = "public, max-age=31536000, immutable"
"""For files whose names have a digest of what is in them."""


class _File(Struct, frozen=True):
    body: bytes
    compressed: bytes
    content_type: str
    etag: str


class _Config(Struct, frozen=True):
    auth_url: str


def add_page(app: web.Application, auth_url: str, built: Path = BUILT) -> None:
    """Serve the page that is in `built`, or one that says how to build it.

    `auth_url` is the auth service's origin as browsers reach it, empty where it is the page's own.
    """
    origins = f"'self' {auth_url}".strip()
    headers = {
        "Content-Security-Policy": _POLICY.format(origins=origins),
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    config = msgspec.json.encode(_Config(auth_url))
    files = {path.name: _read(path) for path in built.glob("assets/*")}
    index, icon = built / "index.html", built / "icon.svg"
    page = index.read_bytes() if index.exists() else None
    drawing = icon.read_bytes() if icon.exists() else b""

    async def show(request: web.Request) -> web.Response:
        if page is None:
            return web.Response(
                status=404, body=_NOT_BUILT, content_type="text/html", headers=headers
            )
        response = stored(request, page, "text/html")
        response.headers.update(headers)
        return response

    async def tell_config(request: web.Request) -> web.Response:
        return stored(request, config, "application/json")

    async def show_icon(request: web.Request) -> web.Response:
        return stored(request, drawing, "image/svg+xml")

    async def give(request: web.Request) -> web.Response:
        file = files.get(request.match_info["file"])
        if file is None:
            raise NotFound("No such file.")
        return _reply(request, file)

    app.router.add_get("/", show)
    app.router.add_get("/config.json", tell_config)
    app.router.add_get("/icon.svg", show_icon)
    app.router.add_get("/assets/{file}", give)


def _read(path: Path) -> _File:
    body = path.read_bytes()
    return _File(
        body,
        gzip.compress(body, mtime=0),
        mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        hashlib.sha256(body).hexdigest()[:32],
    )


def _reply(request: web.Request, file: _File) -> web.Response:
    """Compressed where that is understood, 304 where it is known (RFC 9110, 12.5.3 and 13.1.2)."""
    compressed = "gzip" in request.headers.get("Accept-Encoding", "")
    etag = f"{file.etag}-gz" if compressed else file.etag
    if any(known.value in (etag, "*") for known in request.if_none_match or ()):
        response = web.Response(status=304)
    else:
        response = web.Response(
            body=file.compressed if compressed else file.body, content_type=file.content_type
        )
        if compressed:
            response.headers["Content-Encoding"] = "gzip"
    response.etag = etag
    response.headers["Cache-Control"] = _FOR_EVER
    response.headers.add("Vary", "Accept-Encoding")
    return response
