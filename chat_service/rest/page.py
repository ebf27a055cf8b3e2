"""The browser client at `/`: built files, cached as each allows, under a strict security policy.

It never looks up a requested name on disk: the build is read once, when the service starts.
"""

import gzip
import mimetypes
from pathlib import Path

import msgspec
from aiohttp import web
from msgspec import Struct

from shared.errors import NotFound
from shared.http.docs import stored

BUILT = Path(__file__).parents[1] / "web" / "dist"
"""Where `make web` puts the build."""

_NOT_BUILT = b"""\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Messages</title></head>
<body>
<h1>The page is not built</h1>
<p>The service itself works: see <a href="docs">its documentation</a>. To get the page, run
<code>make web</code> in the source directory, then restart the service. It uses Node.js 20.19 or
newer if it is installed, and downloads its own otherwise.</p>
</body>
</html>
"""

# Only this origin's files, no markup made from text, and requests to this origin and the auth
# service only. 'self' in connect-src covers the WebSocket (CSP level 3, section 6.7.2.8).
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src {origins}; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
_FOREVER = "public, max-age=31536000, immutable"
"""For assets: their names contain a digest of their content."""


class _Asset(Struct, frozen=True):
    body: bytes
    compressed: bytes
    content_type: str


def add_page(app: web.Application, auth_url: str, built: Path = BUILT) -> None:
    """Serve the page that is in `built`, or one that says how to build it.

    `auth_url` is the auth service's origin as browsers reach it; empty if it is the page's own.
    """
    origins = f"'self' {auth_url}".strip()
    headers = {
        "Content-Security-Policy": _POLICY.format(origins=origins),
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    config = msgspec.json.encode({"auth_url": auth_url})
    assets = {path.name: _read(path) for path in built.glob("assets/*")}
    index, icon = built / "index.html", built / "icon.svg"
    page = index.read_bytes() if index.exists() else None
    drawing = icon.read_bytes() if icon.exists() else b""

    async def show_page(request: web.Request) -> web.Response:
        if page is None:
            return web.Response(
                status=404, body=_NOT_BUILT, content_type="text/html", headers=headers
            )
        response = stored(request, page, "text/html")
        response.headers.update(headers)
        return response

    async def show_config(request: web.Request) -> web.Response:
        return stored(request, config, "application/json")

    async def show_icon(request: web.Request) -> web.Response:
        return stored(request, drawing, "image/svg+xml")

    async def show_asset(request: web.Request) -> web.Response:
        asset = assets.get(request.match_info["file"])
        if asset is None:
            raise NotFound("No such file.")
        return _reply(request, asset)

    app.router.add_get("/", show_page)
    app.router.add_get("/config.json", show_config)
    app.router.add_get("/icon.svg", show_icon)
    app.router.add_get("/assets/{file}", show_asset)


def _read(path: Path) -> _Asset:
    body = path.read_bytes()
    content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _Asset(body, gzip.compress(body, mtime=0), content_type)


def _reply(request: web.Request, asset: _Asset) -> web.Response:
    """Compressed if the client accepts that (RFC 9110, section 12.5.3)."""
    compressed = "gzip" in request.headers.get("Accept-Encoding", "")
    response = stored(request, asset.compressed if compressed else asset.body, asset.content_type)
    response.headers["Cache-Control"] = _FOREVER
    response.headers["Vary"] = "Accept-Encoding"
    if compressed and response.status == 200:
        response.headers["Content-Encoding"] = "gzip"
    return response
