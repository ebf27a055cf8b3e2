"""What strangers may cost a server before there is a request, and what they are answered."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from yarl import URL

from shared.http import endpoints, serving
from tests.support.conditions import until
from tests.support.notes import Dependency, notes_service, notes_settings

HEADERS = {
    "server": "messaging",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[URL]:
    """As a process serves, with less patience."""
    monkeypatch.setattr(serving, "FIRST_REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(serving, "UNREAD_SECONDS", 0.5)
    monkeypatch.setattr(endpoints, "BODY_SECONDS", 0.3)
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    service = notes_service(Dependency())
    task = asyncio.create_task(serving.serve(service, notes_settings(), address.set_result))
    yield URL(await address)
    os.kill(os.getpid(), signal.SIGTERM)
    await task


async def exchange(server: URL, *parts: bytes) -> tuple[int, dict[str, str], Any]:
    """Send these bytes; the reply, (0, {}, None) where the connection was closed without one."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        async with asyncio.timeout(10):
            for part in parts:
                writer.write(part)
                await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            status, *lines = head.decode().strip().split("\r\n")
            headers = {
                name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0, {}, None
    finally:
        writer.close()
    return int(status.split()[1]), headers, json.loads(body)


def request(*headers: str, line: str = "GET /notes HTTP/1.1") -> bytes:
    return "\r\n".join((line, "Host: x", *headers, "", "")).encode()


async def test_an_access_token_of_100_kilobytes_is_as_wrong_as_any_other(server: URL) -> None:
    for size in (10_000, 100_000, 120_000):
        token = f"Authorization: Bearer {'x' * size}"
        status, headers, problem = await exchange(
            server, request(token, line="GET /private HTTP/1.1")
        )
        assert (status, problem["code"]) == (401, "unauthorized")
        assert headers["content-type"].startswith("application/problem+json")
        assert headers["www-authenticate"].startswith("Bearer")


async def test_headers_are_bounded_one_by_one_and_together(server: URL) -> None:
    status, _, problem = await exchange(server, request(f"X-Large: {'x' * 140_000}"))
    assert (status, problem["code"]) == (431, "headers_too_large")
    many = [f"X-{number}: {'x' * 100_000}" for number in range(5)]
    assert (
        await exchange(server, *(f"{line}\r\n".encode() for line in ("GET /notes HTTP/1.1", *many)))
    )[0] in (0, 431)
    status, _, problem = await exchange(server, request(*("X: y" for _ in range(200))))
    assert (status, problem["code"]) == (400, "malformed_request")


@pytest.mark.parametrize(
    "sent",
    [b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET /notes HTTP/9.9\r\n\r\n"],
)
async def test_what_is_not_http_is_answered_like_everything_else(server: URL, sent: bytes) -> None:
    status, headers, problem = await exchange(server, sent)
    assert (status, problem["code"]) == (400, "malformed_request")
    assert headers["x-request-id"] == problem["request_id"]
    assert HEADERS.items() <= headers.items()


@pytest.mark.parametrize("path", ["/notes", "/nowhere"])
@pytest.mark.parametrize("expectation", [b"wonders", b"\xff"])
async def test_an_expectation_that_is_none_is_refused(
    server: URL, path: str, expectation: bytes
) -> None:
    sent = request("Expect: ?", line=f"GET {path} HTTP/1.1").replace(b"?", expectation)
    status, headers, problem = await exchange(server, sent)
    assert (status, problem["code"]) == (400, "malformed_request")
    assert HEADERS.items() <= headers.items()


async def test_a_body_that_nobody_reads_is_no_fault(
    server: URL, caplog: pytest.LogCaptureFixture
) -> None:
    sent = request("Content-Encoding: gzip", "Content-Length: 5") + b"hello"
    assert (await exchange(server, sent, request("Connection: close")))[0] == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_who_hangs_up_in_the_middle_of_a_body_is_no_fault(
    server: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    half = request(
        "Content-Type: application/json", "Content-Length: 100", line="POST /notes HTTP/1.1"
    )
    tasks = len(asyncio.all_tasks())
    _, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(half)
    await writer.drain()
    assert (await exchange(server, request()))[0] == 200  # by then it has begun with the other
    writer.transport.abort()

    async def seen() -> bool:
        return len(asyncio.all_tasks()) <= tasks

    await until(seen)
    written = capsys.readouterr().out
    assert "status=400" in written
    assert "unhandled error" not in written


async def test_every_reply_has_headers_that_keep_browsers_from_harm(server: URL) -> None:
    for line in ("GET /notes HTTP/1.1", "GET /nowhere HTTP/1.1", "GET /healthz HTTP/1.1"):
        _, headers, _ = await exchange(server, request(line=line))
        assert HEADERS.items() <= headers.items(), line


async def test_who_does_not_finish_the_headers_is_cut_off(server: URL) -> None:
    assert (await exchange(server, b"GET /notes HTTP/1.1\r\nHost: x\r\n"))[0] == 0
    assert (await exchange(server))[0] == 0


async def test_who_does_not_finish_the_body_is_told_so(server: URL) -> None:
    half = request(
        "Content-Type: application/json",
        "Content-Length: 100",
        line="POST /notes HTTP/1.1",
    )
    status, _, problem = await exchange(server, half, b'{"text": ')
    assert (status, problem["code"]) == (408, "body_timeout")


async def test_who_does_not_read_the_replies_is_cut_off(server: URL) -> None:
    tasks = len(asyncio.all_tasks())
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((server.host, server.port))
    with connection:
        asked = request(line="GET /docs/assets/swagger-ui-bundle.js HTTP/1.1")
        connection.sendall(asked * 20)  # far more than the kernels hold

        async def served() -> bool:
            return len(asyncio.all_tasks()) > tasks

        async def forgotten() -> bool:
            return len(asyncio.all_tasks()) <= tasks

        await until(served)
        await until(forgotten)
