"""An HTTP/1.1 client that costs little: keep-alive, one request at a time on a connection."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

from msgspec import Struct

from tests.bench.processes import cpu_seconds

PATIENCE_SECONDS = 20.0
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Reply(Struct, frozen=True):
    status: int
    body: bytes


class HttpError(Exception):
    """An unexpected status, or a lost connection."""


class HttpConnection(asyncio.Protocol):
    """Replies are those of aiohttp: with a Content-Length."""

    def __init__(self) -> None:
        self._received = b""
        self._on_reply: Callable[[Reply | None], None] = lambda _reply: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_reply(None)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(_END_OF_HEAD)
        if end < 0:
            return
        head = self._received[:end].lower()
        at = head.find(_LENGTH)
        length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        body = self._received[end + len(_END_OF_HEAD) :]
        if len(body) >= length:
            self._received = b""
            self._on_reply(Reply(int(head[9:12]), body))

    def ask(self, request: bytes, on_reply: Callable[[Reply | None], None]) -> None:
        """`on_reply` is called with the reply, or None where the connection was lost."""
        self._on_reply = on_reply
        self._transport.write(request)

    async def fetch(self, request: bytes) -> Reply:
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def settle(reply: Reply | None) -> None:
            if answer.done():
                return
            if reply is None:
                answer.set_exception(HttpError("the connection was lost"))
            else:
                answer.set_result(reply)

        self.ask(request, settle)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await answer

    def close(self) -> None:
        self._on_reply = lambda _reply: None
        self._transport.abort()


@asynccontextmanager
async def connections(url: str, number: int) -> AsyncIterator[list[HttpConnection]]:
    """`number` open connections."""
    host, port = urlsplit(url).hostname or "127.0.0.1", urlsplit(url).port or 80
    loop = asyncio.get_running_loop()
    found: list[HttpConnection] = []
    try:
        for _ in range(number):
            _, connection = await loop.create_connection(HttpConnection, host, port)
            found.append(connection)
        yield found
    finally:
        for connection in found:
            connection.close()


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


class HttpReading(Struct, frozen=True):
    seconds: float
    requests: int
    cpu: float
    client: float
    body_bytes: int
    """Of the last reply."""

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def micros(self) -> float:
        return self.cpu / self.requests * 1e6


async def closed_loop(
    open_connections: Sequence[HttpConnection],
    next_request: Callable[[int], bytes],
    status: int,
    seconds: float,
    pid: int,
    warm_seconds: float = 0.2,
) -> HttpReading:
    """Each connection, by number, asks as soon as it is answered. Raises `HttpError`."""
    answered = 0
    last = Reply(0, b"")
    going = len(open_connections)
    stopping = False
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ask(number: int) -> None:
        def on_reply(reply: Reply | None) -> None:
            nonlocal answered, going, last
            if reply is None or reply.status != status:
                if not done.done():
                    done.set_exception(HttpError(str(reply)[:300]))
                return
            answered += 1
            last = reply
            if not stopping:
                ask(number)
                return
            going -= 1
            if going == 0 and not done.done():
                done.set_result(None)

        open_connections[number].ask(next_request(number), on_reply)

    for number in range(going):
        ask(number)
    await asyncio.sleep(warm_seconds)
    before, cpu = answered, cpu_seconds([pid])
    client, started = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    measured = HttpReading(
        seconds=time.perf_counter() - started,
        requests=answered - before,
        cpu=cpu_seconds([pid]) - cpu,
        client=time.process_time() - client,
        body_bytes=len(last.body),
    )
    stopping = True
    async with asyncio.timeout(PATIENCE_SECONDS):
        await done
    return measured
