"""A WebSocket client that sends whatever bytes it is told to, and takes everything that it gets as
strictly as the protocol is written."""

import asyncio
import base64
import socket
from collections import Counter, deque
from collections.abc import Callable
from typing import Self, cast
from urllib.parse import urlsplit

import msgspec

from chat_service.protocol.codes import ERRORS, CloseCode
from chat_service.protocol.events import Ack, Error, Pong, Resumed, ServerEvent, Welcome
from shared.errors import InternalError
from tests.fault.fuzz.wire import Opcode, frame

PATIENCE_SECONDS = 60.0
ANSWERS = (Ack, Error, Pong, Resumed)
ERROR_CODES = {kind.code for kind in ERRORS} - {InternalError.code}
CLOSE_CODES = {int(code) for code in CloseCode} | {1000, 1002, 1007}
"""The documented ones, and those that a WebSocket library sends by itself."""

_events = msgspec.json.Decoder(ServerEvent)


class Peer(asyncio.Protocol):
    """`answers` counts acks, errors, pongs and resumed; `echoes` are the payloads of PONG frames.
    `close_code` is None until the end, and then where there was no close frame."""

    def __init__(self) -> None:
        self.answers = 0
        self.events: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.welcomed = False
        self.echoes: deque[bytes] = deque()
        self.pongs: set[str] = set()
        self.fault: str | None = None
        self.close_code: int | None = None
        self.ended = False
        self.status = 0
        self.polite = True
        """Whether pings and a close frame are answered."""
        self.samples: dict[tuple[str, str], bytes] = {}
        """One frame of each type and error code, for whoever looks closer."""
        self._closed = False
        self._half_closed = False
        self._received = b""
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    @classmethod
    async def connect(
        cls, url: str, token: str | None = None, *, window: int | None = None
    ) -> Self:
        """Through the upgrade; `status` is what was answered. `window` bounds the bytes that the
        kernel takes in while nobody reads."""
        address = urlsplit(url)
        loop = asyncio.get_running_loop()
        assert address.hostname is not None
        connection = socket.socket()
        connection.setblocking(False)
        if window is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        await loop.sock_connect(connection, (address.hostname, address.port or 80))
        _, peer = await loop.create_connection(cls, sock=connection)
        key = base64.b64encode(bytes(range(16))).decode()
        lines = ["GET /ws HTTP/1.1", f"Host: {address.netloc}", "Upgrade: websocket"]
        lines += ["Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        peer.transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await peer.until(lambda: peer.status != 0)
        return peer

    transport: asyncio.Transport

    async def write(self, data: bytes, chunk: int | None = None) -> None:
        """In writes of `chunk` bytes, each a packet of its own as far as that is in our hands."""
        step = chunk or max(1, len(data))
        for start in range(0, len(data), step):
            await self._writable.wait()
            if self.transport.is_closing():
                return
            self.transport.write(data[start : start + step])
            if chunk is not None:
                await asyncio.sleep(0)

    def half_close(self) -> None:
        self._half_closed = True
        if not self.transport.is_closing():
            self.transport.write_eof()

    def abort(self) -> None:
        self.transport.abort()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns when `condition` holds, or the connection has ended."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (condition() or self.ended):
                self._news.clear()
                await self._news.wait()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self.status:
            head, found, rest = self._received.partition(b"\r\n\r\n")
            if not found:
                return
            self.status = int(head.split(b" ", 2)[1])
            self._received = rest
        if self.status == 101:
            self._frames()
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self._writable.set()
        self._news.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def eof_received(self) -> bool:
        return False

    def _frames(self) -> None:
        data, start = self._received, 0
        while len(data) - start >= 2:
            first, second = data[start], data[start + 1]
            head = {126: 4, 127: 10}.get(second & 0x7F, 2)
            if len(data) - start < head:
                break
            length = int.from_bytes(data[start + 2 : start + head]) if head > 2 else second & 0x7F
            if len(data) - start < head + length:
                break
            self._take(first, second, data[start + head : start + head + length])
            start += head + length
        self._received = data[start:]

    def _take(self, first: int, second: int, payload: bytes) -> None:
        if self._closed:
            self._fail(f"a frame after the close frame: {first} {payload[:200]!r}")
        elif not first & 0x80 or first & 0x70 or second & 0x80:
            self._fail(f"a frame in fragments, reserved or masked: {first:#x}")
        elif first & 0xF == Opcode.TEXT:
            self._event(payload)
        elif first & 0xF == Opcode.PING:
            self._reply(frame(payload, Opcode.PONG))
        elif first & 0xF == Opcode.PONG:
            self.echoes.append(payload)
        elif first & 0xF == Opcode.CLOSE:
            self._closed = True
            self.close_code = int.from_bytes(payload[:2])
            if self.close_code not in CLOSE_CODES:
                self._fail(f"closed with {self.close_code}")
            self._reply(frame(payload[:2], Opcode.CLOSE))
        else:
            self._fail(f"a frame of type {first & 0xF}")

    def _event(self, payload: bytes) -> None:
        try:
            event = _events.decode(payload)
        except ValueError as error:
            self._fail(f"{error}: {payload[:500]!r}")
            return
        kind = type(event).__name__
        if not self.welcomed and not isinstance(event, (Welcome, Error)):
            self._fail(f"{kind} before welcome")
        code = ""
        self.welcomed |= isinstance(event, Welcome)
        if isinstance(event, ANSWERS):
            self.answers += 1
        if isinstance(event, Error):
            code = event.code
            self.errors[code] += 1
            if code not in ERROR_CODES:
                self._fail(f"an error that is not documented: {payload[:500]!r}")
        elif isinstance(event, Pong) and isinstance(event.id, str):
            self.pongs.add(event.id)
        self.events[kind] += 1
        self.samples.setdefault((kind, code), payload)

    def _reply(self, data: bytes) -> None:
        if self.polite and not self._half_closed and not self.transport.is_closing():
            self.transport.write(data)

    def _fail(self, fault: str) -> None:
        self.fault = self.fault or fault
