"""Bytes that are no UTF-8, wherever a request has text: never a fault."""

from typing import Any

import msgspec
import pytest
from pymongo.database import Database

from tests.support.auth_service import PASSWORD, AuthService

Stored = Database[dict[str, Any]]
ALICE = "alice@example.com"


def request(line: bytes, body: bytes, *headers: bytes) -> bytes:
    head = [
        line + b" HTTP/1.1",
        b"Host: x",
        b"Connection: close",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        *headers,
    ]
    return b"\r\n".join([*head, b"", body])


def log_in(*headers: bytes) -> bytes:
    body = msgspec.json.encode({"email": ALICE, "password": PASSWORD})
    return request(b"POST /login", body, *headers)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"\xff", "\ufffd"),
        (b"phone \xed\xa0\x80", "phone \ufffd\ufffd\ufffd"),
        ("Händi".encode(), "Händi"),
        (b"\xff" * 1000, "\ufffd" * 256),
    ],
)
async def test_a_device_is_kept_as_far_as_it_can_be_read(
    auth: AuthService, stored: Stored, sent: bytes, kept: str
) -> None:
    member = await auth.member(ALICE)
    stored.sessions.delete_many({"_id": {"$exists": True}})
    assert await auth.send(log_in(b"User-Agent: " + sent)) == 200
    (session,) = stored.sessions.find()
    assert session["user_agent"] == kept
    assert member["employee"]["id"] == str(session["employee"])


@pytest.mark.parametrize("name", [b"X-Forwarded-For", b"X-Request-ID", b"Origin", b"Cookie"])
async def test_no_other_header_is_in_the_way(auth: AuthService, name: bytes) -> None:
    await auth.member(ALICE)
    assert await auth.send(log_in(name + b": \xff\xed\xa0\x80")) == 200


@pytest.mark.parametrize("odd", [b"\xff", b"%ff", b"%ed%a0%80", b"\xed\xa0\x80"])
async def test_no_path_and_no_query_is_a_fault(auth: AuthService, odd: bytes) -> None:
    token = (await auth.member(ALICE))["access_token"].encode()
    for line in (
        b"DELETE /sessions/" + odd,
        b"GET /employees/" + odd,
        b"GET /employees?query=" + odd,
        b"GET /employees?department=" + odd,
        b"GET /employees?cursor=" + odd,
        b"GET /employees?" + odd + b"=1",
        b"GET /.well-known/revoked-sessions?since=" + odd,
    ):
        status = await auth.send(request(line, b"", b"Authorization: Bearer " + token))
        assert status in (200, 400, 404, 422), line
