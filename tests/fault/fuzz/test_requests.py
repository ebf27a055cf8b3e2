"""Requests that no HTTP library would send, to both services: documented answers, and no fault.

`tests/cluster/test_interfaces.py` sends what the interface documents allow, or nearly; this is what
is below them: methods, targets, headers and framing.
"""

import gzip
import http.client
import json
import re
import socket
import urllib.request
import zlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from shared.errors import InternalError, error_types
from tests.fault.fuzz.conftest import several
from tests.fault.fuzz.material import json_values
from tests.support.conditions import eventually
from tests.support.system import Person, Service, System
from tests.support.vitals import faults, vitals

REQUESTS = 700
"""To each service."""
CODES = {kind.code for kind in error_types()} - {InternalError.code}
GROWTH_BYTES = 24 << 20
BOMB = gzip.compress(b" " * 50_000_000)

odd_bytes = st.binary(max_size=12).map(lambda data: re.sub(rb"[\r\n\0 ]", b"", data))
odd_parts = st.sampled_from(
    [
        b"%00",
        b"%ff",
        b"%ed%a0%80",
        b"%2f",
        b"%2e%2e",
        b"//",
        b"/../",
        b"%",
        b"%zz",
        b"\xff",
        b"'",
        "é".encode(),
        "\u202e".encode(),
        b"{",
        b"$ne",
        b"*",
        b"#",
        b";a=b",
        b"x" * 3000,
    ]
)
queries = st.sampled_from(
    [
        b"",
        b"?",
        b"?limit=1",
        b"?limit=-1",
        b"?limit=%ff",
        b"?limit=1&limit=2",
        b"?cursor=\xff",
        b"?before=%00",
        b"?employee=a&employee=" + b"b" * 5000,
        b"?" + b"&" * 500,
        b"?%ff=%ff",
    ]
)
methods = st.sampled_from(
    [
        b"GET",
        b"GET",
        b"POST",
        b"POST",
        b"PUT",
        b"PUT",
        b"PATCH",
        b"DELETE",
        b"OPTIONS",
        b"HEAD",
        b"TRACE",
        b"get",
        b"PROPFIND",
        b"CONNECT",
        b"G\xc3\x89T",
        b"G{}T",
    ]
)
headers = st.sampled_from(
    [
        b"Authorization: Bearer \xff\xfe",
        b"Authorization: Basic YTpi",
        b"Authorization:",
        b"Authorization: Bearer a.b.c",
        b"Content-Type: text/plain",
        b"Content-Type: application/json; charset=utf-16",
        b"Content-Type: \xff",
        b"Content-Type: application/json",
        b"Content-Encoding: gzip",
        b"Content-Encoding: br",
        b"Content-Encoding: \xff",
        b"Origin: \xed\xa0\x80",
        b"Origin: null",
        b"Origin: https://evil.example",
        b"X-Request-ID: \xff\xff",
        b"X-Request-ID: " + b"a" * 500,
        b"X-Forwarded-For: \xff, ::1, 1.2.3.4",
        b"Accept: \xff",
        b"User-Agent: \xff",
        b"User-Agent: \xed\xa0\x80",
        b"Cookie: " + b"a=b; " * 1000,
        b"Expect: 100-continue",
        b"Expect: \xff",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: \xff",
        b"Sec-WebSocket-Version: 99",
        b"Range: bytes=0-0",
        b"If-None-Match: \xff",
        b"If-Modified-Since: yesterday",
        b"Host: \xff",
        b"No colon",
        b": no name",
        b"B\xc3\xa4d: name",
    ]
)


class Sent(Struct, frozen=True):
    """`is_whole` is false where its framing is wrong: then there need not be an answer."""

    method: bytes
    data: bytes
    is_whole: bool

    def __repr__(self) -> str:
        return f"Sent({self.data[:1000]!r}, of {len(self.data)} bytes)"


def requests(service: Service, tokens: list[str]) -> st.SearchStrategy[Sent]:
    with urllib.request.urlopen(f"{service.url}/openapi.json") as reply:
        paths = list(json.load(reply)["paths"])
    filled = [re.sub(r"{\w+}", "x", path).encode() for path in [*paths, "/ws", "/", "/docs"]]
    fields = st.sampled_from(["participants", "message", "email", "password", "name", "text"])
    bodies = st.one_of(
        json_values.map(lambda value: json.dumps(value).encode()),
        st.dictionaries(fields, json_values).map(lambda value: json.dumps(value).encode()),
        st.sampled_from([b"", b"{}", b"[" * 60_000, b'{"a":' * 9000, b"x" * 300_000, BOMB]),
        st.sampled_from([gzip.compress(b"{}"), zlib.compress(b"{}"), gzip.compress(b"{}")[:-5]]),
        st.binary(max_size=50),
    )
    framings = st.sampled_from(["length", "length", "length", "chunked", "both", "short", "none"])
    nothing: st.SearchStrategy[list[bytes]] = st.just([])
    few_parts = nothing | st.lists(odd_parts | odd_bytes, max_size=2)
    few_headers = nothing | st.lists(headers, max_size=4)
    own = st.sampled_from([None, *(f"Authorization: Bearer {one}".encode() for one in tokens)])

    @st.composite
    def build(draw: st.DrawFn) -> Sent:
        method, path = draw(methods), draw(st.sampled_from(filled))
        for part in draw(few_parts):
            at = len(path) if draw(st.booleans()) else path.rfind(b"/") + 1
            path = path[:at] + part + path[at:]
        lines = [method + b" " + path + draw(queries) + b" HTTP/1.1", b"Host: x"]
        authorised = draw(own)
        if authorised is not None:
            lines += [authorised, b"Content-Type: application/json"]
        lines += draw(few_headers)
        body, framing = draw(bodies), draw(framings)
        return Sent(method, *framed(lines, body, framing))

    return build()


def framed(lines: list[bytes], body: bytes, framing: str) -> tuple[bytes, bool]:
    length = b"Content-Length: %d" % len(body)
    match framing:
        case "chunked":
            lines = [*lines, b"Transfer-Encoding: chunked"]
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        case "both":
            lines = [*lines, length, b"Transfer-Encoding: chunked"]
        case "short":
            lines = [*lines, b"Content-Length: %d" % (len(body) + 5)]
        case "length":
            lines = [*lines, length]
    whole = framing in ("length", "chunked")
    return b"\r\n".join(lines) + b"\r\n\r\n" + body, whole


def answer(service: Service, sent: Sent) -> tuple[int, http.client.HTTPResponse, bytes] | None:
    """None where the connection was closed without one."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        try:
            connection.sendall(sent.data)
            if not sent.is_whole:  # or both sides would wait for more
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it was refused before it was all sent: the answer may be there
        reply = http.client.HTTPResponse(connection, method=sent.method.decode("latin-1"))
        try:
            reply.begin()
            return reply.status, reply, reply.read()
        except (OSError, http.client.HTTPException):
            return None


@pytest.mark.parametrize("name", ["auth", "chat"])
async def test_no_request_is_answered_with_a_fault(target: System, name: str) -> None:
    service = target.auth if name == "auth" else target.chats[0]
    people: list[Person] = [await target.person("eve") for _ in range(3)]
    before = vitals(service.url)
    statuses: Counter[int] = Counter()

    @several(REQUESTS)
    @given(sent=requests(service, [person.token for person in people]))
    def send(sent: Sent) -> None:
        answered = answer(service, sent)
        statuses[0 if answered is None else answered[0]] += 1
        if answered is not None:
            judge(sent, *answered)

    send()
    assert statuses.keys() >= {200, 400, 401, 404, 405}, statuses
    assert statuses[0] < sum(statuses.values()) / 2, statuses
    assert faults(service.log) == []
    assert service.is_ready()
    eventually(lambda: vitals(service.url).tasks <= before.tasks)
    eventually(lambda: vitals(service.url).descriptors <= before.descriptors + 16)
    assert vitals(service.url).resident - before.resident < GROWTH_BYTES


def judge(sent: Sent, status: int, reply: http.client.HTTPResponse, body: bytes) -> None:
    what = f"{status} {body[:300]!r} to {sent.data[:1000]!r}"
    assert status < 500, what
    assert reply.headers["X-Request-ID"], what
    if status >= 400 and sent.method != b"HEAD":
        assert reply.headers["Content-Type"].startswith("application/problem+json"), what
        problem = json.loads(body)
        assert problem["code"] in CODES, what
        assert problem["status"] == status, what
