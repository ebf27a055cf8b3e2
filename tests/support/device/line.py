"""One WebSocket of a device, on picows: light, and no call waits but `open` and `close`."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Self
from urllib.parse import urlsplit

import msgspec
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from tests.support.device.frames import NO_CLOSE_FRAME, Event

CONNECT_SECONDS = 20.0
"""A connection that is not open and welcomed by then is given up, and another one made."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class State(Enum):
    """For the owner to set; only a `READY` line takes ops."""

    NEW = "not welcomed yet"
    READY = "ready"
    CLOSING = "closing"


class Line(WSListener):
    """Tells `opened` once it is there, and hands each event to `take` as it comes. `ended` is done
    when it is over, and raises what `take` raised; `code` is the close code then."""

    def __init__(
        self, url: str, opened: "Callable[[Line], None]", take: Callable[[Event], None]
    ) -> None:
        self.url = url
        self.state = State.NEW
        self.code = NO_CLOSE_FRAME
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._opened = opened
        self._take = take
        self._transport: WSTransport | None = None

    @classmethod
    async def open(
        cls,
        url: str,
        opened: "Callable[[Line], None]",
        take: Callable[[Event], None],
        heartbeat: float | None = None,
    ) -> Self:
        """Through the upgrade. With a `heartbeat`, a server that was silent for so many seconds is
        pinged, and has half as long to answer. Raises OSError, TimeoutError or `picows.WSError`."""
        line = cls(url, opened, take)
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await _connected(url)
            try:
                await ws_connect(
                    lambda: line,
                    f"{url.replace('http', 'ws', 1)}/ws",
                    socket_factory=lambda _: connection,
                    websocket_handshake_timeout=None,
                    enable_auto_ping=heartbeat is not None,
                    auto_ping_idle_timeout=heartbeat or 0,
                    auto_ping_reply_timeout=(heartbeat or 0) / 2,
                )
            except BaseException:
                with suppress(OSError):  # its transport, which picows would keep, is closed by that
                    connection.shutdown(socket.SHUT_RDWR)
                raise
        if line._transport is None:
            raise ConnectionResetError("lost before the upgrade was answered")
        return line

    @property
    def ready(self) -> bool:
        return self.state is State.READY

    def send(self, op: Event) -> None:
        """What is lost with the line has to be sent again on the next one."""
        self._connection.send(WSMsgType.TEXT, _encode(op))

    async def close(self, within: float) -> None:
        """With a close frame. The line is cut where the other's does not come in time."""
        self.state = State.CLOSING
        self._connection.send_close(WSCloseCode.OK)
        await asyncio.wait([self.ended], timeout=within)
        self.cut()

    def cut(self) -> None:
        """End it as a crash would: no close frame, and nothing more is read."""
        self._connection.disconnect(graceful=False)

    def stop_reading(self) -> None:
        """Leave what comes to the kernel's buffers, until `go_on_reading`."""
        self._connection.underlying_transport.pause_reading()

    def go_on_reading(self) -> None:
        self._connection.underlying_transport.resume_reading()

    def forsake(self) -> None:
        """Count it as ended, and leave it open with nobody who reads it, until `cut`."""
        if not self._connection.underlying_transport.is_closing():
            self.stop_reading()
        self._end()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._opened(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self.ended.done():
            return
        if frame.msg_type is WSMsgType.TEXT:
            try:
                self._take(_decode(frame.get_payload_as_bytes()))
            except Exception as error:  # picows would log it; here whoever waits gets it
                self.ended.set_exception(error)
                self.cut()
        elif frame.msg_type is WSMsgType.CLOSE:
            self.code = int(frame.get_close_code())  # type: ignore[call-overload]
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._end()

    @property
    def _connection(self) -> WSTransport:
        assert self._transport is not None
        return self._transport

    def _end(self) -> None:
        self.state = State.CLOSING
        if not self.ended.done():
            self.ended.set_result(None)


async def _connected(url: str) -> socket.socket:
    address = urlsplit(url)
    connection = socket.socket()
    connection.setblocking(False)
    try:
        host, port = address.hostname, address.port
        await asyncio.get_running_loop().sock_connect(connection, (host, port))
    except BaseException:
        connection.close()
        raise
    return connection
