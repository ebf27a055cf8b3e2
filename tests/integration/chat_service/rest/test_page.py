"""How the chat service serves the browser client: policy, caching, and what it says without one."""

from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from chat_service.rest.page import add_page

SCRIPT = "console.log('a page');" * 100


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "index-abc.js").write_text(SCRIPT)
    (tmp_path / "index.html").write_text('<script src="/assets/index-abc.js"></script>')
    return tmp_path


def serving(folder: Path) -> web.Application:
    app = web.Application()
    add_page(app, "https://auth.example.org", folder)
    return app


async def test_the_page_may_reach_its_own_services_and_nobody_else(
    aiohttp_client: AiohttpClient, built: Path
) -> None:
    client = await aiohttp_client(serving(built))
    async with client.get("/") as page:
        policy = page.headers["Content-Security-Policy"]
    assert "connect-src 'self' https://auth.example.org;" in policy
    assert "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';" in policy
    assert "unsafe" not in policy
    async with client.get("/config.json") as config:
        assert await config.json() == {"auth_url": "https://auth.example.org"}


async def test_the_page_is_asked_for_again_and_sent_only_where_it_changed(
    aiohttp_client: AiohttpClient, built: Path
) -> None:
    client = await aiohttp_client(serving(built))
    async with client.get("/") as page:
        assert page.headers["Cache-Control"] == "no-cache"
        etag = page.headers["ETag"]
    async with client.get("/", headers={"If-None-Match": etag}) as again:
        assert again.status == 304


async def test_files_are_kept_for_ever_and_come_compressed(
    aiohttp_client: AiohttpClient, built: Path
) -> None:
    client = await aiohttp_client(serving(built))
    async with client.get("/assets/index-abc.js") as asset:
        assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert asset.headers["Content-Encoding"] == "gzip"
        assert "javascript" in asset.content_type
        assert await asset.text() == SCRIPT
        etag = asset.headers["ETag"]
    async with client.get("/assets/index-abc.js", headers={"If-None-Match": etag}) as again:
        assert again.status == 304
    async with client.get("/assets/index-abc.js", headers={"Accept-Encoding": "identity"}) as plain:
        assert "Content-Encoding" not in plain.headers
        assert plain.headers["ETag"] != etag
        assert await plain.text() == SCRIPT


async def test_without_a_build_the_page_says_how_to_make_one(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    client = await aiohttp_client(serving(tmp_path))
    async with client.get("/") as page:
        assert page.status == 404
        assert "ETag" not in page.headers
        assert "make web" in await page.text()
