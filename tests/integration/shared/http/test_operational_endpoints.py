"""What both services do at their edge, shown on a small application of the same assembly."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs
from yarl import URL

from tests.support.notes import LIMIT, ORIGIN, Dependency, notes_service

Client = TestClient[web.Request, web.Application]


LATIN = {"Content-Type": "application/json; charset=latin-1"}
COMPRESSED = {"Content-Encoding": "compress"}


@pytest.fixture
def dependency() -> Dependency:
    return Dependency()


@pytest.fixture
async def client(dependency: Dependency) -> AsyncIterator[Client]:
    async with TestClient(TestServer(notes_service(dependency))) as client:
        yield client


async def problem(response: ClientResponse) -> dict[str, Any]:
    assert response.content_type == "application/problem+json"
    parsed: dict[str, Any] = json.loads(await response.read())
    assert parsed["status"] == response.status
    assert parsed["request_id"] == response.headers["X-Request-ID"]
    return parsed


async def test_the_process_is_alive_whatever_it_depends_on(
    client: Client, dependency: Dependency
) -> None:
    dependency.reason = "gone"
    async with client.get("/healthz") as response:
        assert response.status == 200
        assert await response.json() == {"status": "ok"}


async def test_readiness_follows_the_dependencies(client: Client, dependency: Dependency) -> None:
    dependency.reason = "not connected yet"
    async with client.get("/readyz") as response:
        assert response.status == 503
        assert await response.json() == {
            "status": "waiting",
            "failing": {"database": "not connected yet"},
        }
    dependency.reason = None
    async with client.get("/readyz") as response:
        assert response.status == 200
        assert await response.json() == {"status": "ready", "failing": {}}


async def test_a_check_that_breaks_is_a_failing_dependency(
    client: Client, dependency: Dependency
) -> None:
    dependency.fault = RuntimeError("mongodb://user:hunter2@host")
    async with client.get("/readyz") as response:
        assert response.status == 503
        assert "hunter2" not in await response.text()


async def test_requests_are_counted_by_route_and_never_by_what_a_stranger_sends(
    client: Client,
) -> None:
    for path in ("/notes?limit=3", "/nowhere/1", "/nowhere/2"):
        async with client.get(path):
            pass
    async with client.request("PROPFIND", "/notes"):
        pass
    async with client.get("/metrics") as response:
        assert response.status == 200
        assert response.content_type == "text/plain"
        text = await response.text()
    counted = set(re.findall(r"^http_requests_total{(.*)}", text, re.MULTILINE))
    assert 'method="GET",route="/notes",status="200"' in counted
    assert 'method="GET",route="unmatched",status="404"' in counted
    assert "nowhere" not in text
    assert "PROPFIND" not in text


async def test_a_request_id_is_made_where_there_is_none(client: Client) -> None:
    ids = set()
    for _ in range(2):
        async with client.get("/healthz") as response:
            ids.add(response.headers["X-Request-ID"])
    assert len(ids) == 2


async def test_the_request_id_of_the_caller_is_kept(client: Client) -> None:
    async with client.get("/healthz", headers={"X-Request-ID": "trace-1.a_B"}) as response:
        assert response.headers["X-Request-ID"] == "trace-1.a_B"


async def test_a_websocket_has_a_request_id_and_is_no_latency(client: Client) -> None:
    async with client.ws_connect("/ws", headers={"X-Request-ID": "trace-2"}) as socket:
        assert socket._response.headers["X-Request-ID"] == "trace-2"
        await socket.receive()
    async with client.get("/metrics") as response:
        text = await response.text()
    assert 'http_requests_total{method="GET",route="/ws",status="101"} 1.0' in text
    assert 'http_request_seconds_count{method="GET",route="/ws"}' not in text


async def test_a_request_that_no_handler_sees_has_an_id_too(client: Client) -> None:
    async with client.get("/notes", headers={"Expect": "miracles"}) as response:
        assert response.status == 417
        assert response.headers["X-Request-ID"]


@pytest.mark.parametrize("sent", ["a b", "<script>", "x" * 65, "é", ""])
async def test_a_request_id_that_could_do_harm_is_replaced(client: Client, sent: str) -> None:
    async with client.get("/healthz", headers={"X-Request-ID": sent}) as response:
        assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])


@pytest.mark.parametrize(
    ("method", "path", "more", "status", "code"),
    [
        ("GET", "/nowhere", {}, 404, "not_found"),
        ("DELETE", "/notes", {}, 405, "method_not_allowed"),
        ("PROPFIND", "/notes", {}, 405, "method_not_allowed"),
        ("POST", "/notes", {"data": b"{"}, 400, "malformed_body"),
        ("POST", "/notes", {"data": b""}, 400, "malformed_body"),
        ("POST", "/notes", {"data": b'{"text": 1}'}, 422, "invalid_input"),
        ("POST", "/notes", {"data": b'{"text": "a", "more": 1}'}, 422, "invalid_input"),
        ("POST", "/notes", {"data": b" " * (LIMIT + 1)}, 413, "body_too_large"),
        ("GET", "/notes?limit=0", {}, 422, "invalid_input"),
        ("GET", "/notes?limit=1&limit=2", {}, 422, "invalid_input"),
        ("GET", "/notes?limit=1.0", {}, 422, "invalid_input"),
        ("GET", "/notes?limit=%2B1", {}, 422, "invalid_input"),
        ("POST", "/notes", {"data": b'{"text": "a", "text": "b"}'}, 400, "malformed_body"),
        (
            "POST",
            "/notes",
            {"data": b"{}", "headers": COMPRESSED},
            415,
            "unsupported_media_type",
        ),
        (
            "POST",
            "/notes",
            {"data": b"{}", "headers": LATIN},
            415,
            "unsupported_media_type",
        ),
        ("GET", "/notes?%ff=%ed%a0%80", {}, 422, "invalid_input"),
        ("GET", "/refused", {}, 429, "rate_limited"),
        ("GET", "/broken", {}, 500, "internal_error"),
    ],
)
async def test_every_failure_is_a_problem_with_a_code(
    client: Client, method: str, path: str, more: dict[str, Any], status: int, code: str
) -> None:
    headers = ({"Content-Type": "application/json"} if more else {}) | more.get("headers", {})
    data = more.get("data")
    async with client.request(method, path, headers=headers, data=data) as response:
        assert response.status == status
        assert (await problem(response))["code"] == code


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_of_another_type_is_refused(client: Client, kind: str) -> None:
    headers = {"Content-Type": kind}
    async with client.post("/notes", data=b'{"text": "a"}', headers=headers) as response:
        assert response.status == 415
        assert (await problem(response))["code"] == "unsupported_media_type"


async def test_a_body_without_a_length_is_bounded_too(client: Client) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    headers = {"Content-Type": "application/json"}
    async with client.post("/notes", data=endless(), headers=headers) as response:
        assert response.status == 413
        assert (await problem(response))["code"] == "body_too_large"


async def test_a_wrong_method_is_told_the_right_ones(client: Client) -> None:
    async with client.delete("/notes") as response:
        assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))


async def test_an_unexpected_fault_tells_the_client_nothing(client: Client) -> None:
    async with client.get("/broken") as response:
        text = await response.text()
        assert response.headers["X-Request-ID"] in text
    assert "hunter2" not in text
    assert "RuntimeError" not in text


async def test_no_path_can_forge_a_line_of_the_log(client: Client) -> None:
    path = "/x%0d%0aFORGED%20%1b%5b31m?token=secret"
    with capture_logs() as lines:
        async with client.get(URL(path, encoded=True)) as response:
            assert response.status == 404
        async with client.get(f"/{'long' * 500}") as response:
            assert response.status == 404
    logged = [line["path"] for line in lines if line["event"] == "request"]
    assert len(logged) == 2
    assert logged[0].isprintable()
    assert "FORGED" in logged[0]
    assert "secret" not in str(lines)
    assert len(logged[1]) <= 256


@pytest.mark.parametrize("path", ["/notes", "/nowhere", "/broken", "/docs", "/openapi.json"])
async def test_every_reply_has_the_headers_that_protect_a_browser(
    client: Client, path: str
) -> None:
    async with client.get(path) as response:
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cache-Control"] in ("no-store", "no-cache")
        assert "Origin" in response.headers["Vary"]


@pytest.mark.parametrize("path", ["/notes", "/broken", "/refused", "/notes?limit=0"])
async def test_an_allowed_origin_may_read_the_reply_and_the_error(
    client: Client, path: str
) -> None:
    async with client.get(path, headers={"Origin": ORIGIN}) as response:
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "X-Request-ID" in response.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.com",
        "https://chat.example.com.evil.com",
        "http://chat.example.com",
        "https://chat.example.com:8443",
        "null",
        "*",
    ],
)
async def test_a_foreign_origin_may_not(client: Client, origin: str) -> None:
    async with client.get("/notes", headers={"Origin": origin}) as response:
        assert "Access-Control-Allow-Origin" not in response.headers
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    async with client.options("/notes", headers=asked) as response:
        assert response.status == 403
        assert (await problem(response))["code"] == "forbidden"
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_preflight_allows_every_method_of_a_path(client: Client, method: str) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    async with client.options("/notes", headers=asked) as response:
        assert response.status == 200
        assert response.headers["Access-Control-Allow-Methods"] == method
        assert response.headers["Access-Control-Max-Age"] == "600"


async def test_a_preflight_for_another_method_or_header_is_refused(client: Client) -> None:
    header = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-other"}
    for asked, named in (
        ({"Access-Control-Request-Method": "DELETE"}, "DELETE"),
        (header, "X-OTHER"),
        ({}, "Access-Control-Request-Method"),
    ):
        async with client.options("/notes", headers={"Origin": ORIGIN, **asked}) as response:
            assert response.status == 403
            assert named in (await problem(response))["detail"]


@pytest.mark.parametrize("path", ["/notes", "/healthz", "/readyz", "/metrics", "/openapi.json"])
async def test_head_is_answered_as_get_is_without_a_body(client: Client, path: str) -> None:
    async with client.get(path) as response:
        expected = response.status, response.content_type
    async with client.head(path) as response:
        assert (response.status, response.content_type) == expected
        assert await response.read() == b""


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/notes", {"GET", "HEAD", "OPTIONS", "POST"}), ("/openapi.json", {"GET", "HEAD", "OPTIONS"})],
)
async def test_options_says_what_is_allowed(client: Client, path: str, methods: set[str]) -> None:
    async with client.options(path) as response:
        assert response.status == 204
        assert set(response.headers["Allow"].split(", ")) == methods
    async with client.options("/nowhere") as response:
        assert response.status == 404


async def test_a_body_of_exactly_the_limit_is_taken(client: Client) -> None:
    body = b'{"text": "a"}'
    json_body = {"Content-Type": "application/json"}
    async with client.post("/notes", data=body.ljust(LIMIT), headers=json_body) as response:
        assert response.status == 201
