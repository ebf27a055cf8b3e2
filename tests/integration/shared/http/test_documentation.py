"""`/openapi.json` and `/docs`, on a small application of the same assembly as the services."""

import re
from collections.abc import AsyncIterator

import pytest
import swagger_ui_bundle
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from tests.support.notes import Dependency, notes_service

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(notes_service(Dependency()))) as client:
        yield client


async def test_the_interface_is_described_and_need_not_be_fetched_twice(client: Client) -> None:
    async with client.get("/openapi.json") as response:
        assert response.status == 200
        described = await response.json()
        etag = response.headers["ETag"]
    assert {"/notes", "/healthz", "/readyz", "/metrics"} <= set(described["paths"])
    async with client.get("/openapi.json", headers={"If-None-Match": etag}) as response:
        assert response.status == 304
        assert await response.read() == b""
        assert response.headers["ETag"] == etag


def test_the_page_can_show_openapi_3_1() -> None:
    assert swagger_ui_bundle.swagger_ui_path.name.startswith("swagger-ui-5."), "4 knows 3.0 only"


async def test_the_documentation_runs_no_script_but_its_own(client: Client) -> None:
    async with client.get("/docs") as response:
        assert response.content_type == "text/html"
        policy = response.headers["Content-Security-Policy"]
        page = await response.text()
    assert "default-src 'none'; script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "Notes &lt;of&gt; everyone" in page
    assert re.search(r"<script(?! src=)|<style| style=| on\w+=|https?://", page) is None
    for asset in re.findall(r'(?:src|href)="(docs/assets/[^"]+)"', page):
        async with client.get(f"/{asset}") as response:
            assert response.status == 200
            assert response.headers["Cache-Control"]
            assert await response.read()


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "../__init__.py",
        "..%2f__init__.py",
        "%2e%2e%2f%2e%2e%2f__init__.py",
        "%2Fetc%2Fpasswd",
        "..%5c__init__.py",
        "swagger-ui.css%00",
        ".",
        "",
    ],
)
async def test_only_the_files_of_the_page_are_served(client: Client, name: str) -> None:
    async with client.get(URL(f"/docs/assets/{name}", encoded=True)) as response:
        assert response.status == 404
