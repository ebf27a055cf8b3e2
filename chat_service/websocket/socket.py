"""aiohttp's WebSocket, with an end that does not depend on its peer, and a bound on control frames.

aiohttp closes a socket in many places by itself: at the peer's close frame, at a frame that breaks
the protocol, at the end of the stream. All of them go through `close`.
"""

import asyncio
import time
from typing import cast
from uuid import UUID

from aiohttp import WSMessage, WSMsgType, web
from msgspec import UNSET

from chat_service.delivery import Writer, close_frame, control_frame, text_frame
from chat_service.protocol import CloseCode, Error, encode
from shared.errors import ServiceError
from shared.http.problems import retry_after_ms
from shared.observability.logs import get_logger

log = get_logger("socket")

PONG = 0xA
MASK_BYTE = 2
"""The byte of a frame that says whether it is masked, counted from one."""
READ_BYTES = 262_144
"""What one read of a transport may bring."""
CONTROL_RATE, CONTROL_BURST = 10.0, 100.0
"""Pings and pongs of a peer: on average a second, and at once. Beyond that it is cut off (1008)."""
FRAGMENT_FACTOR = 4
"""Bytes that may come for a message before it is complete, over the largest one: headers of small
fragments count, too, so that empty ones cannot go on for ever."""
CLOSE_SECONDS = 10.0
"""From a close frame until the transport is aborted, whether or not the peer has read it."""


def error_event(error: ServiceError, id: UUID | str | None) -> Error:
    """`error` as the answer to the op `id`, or to none."""
    wait = error.retry_after
    return Error(
        code=error.code,
        detail=error.detail,
        id=id,
        retry_after_ms=UNSET if wait is None else retry_after_ms(wait),
    )


class WebSocket(web.WebSocketResponse[bool]):
    """Owns the writer of its frames, and ends it before the close frame."""

    __slots__ = (
        "_awaiting",
        "_control",
        "_control_at",
        "_end",
        "_first_bytes",
        "_ping",
        "_transport",
        "_unfinished",
        "flooded",
        "outgoing",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        outgoing: Writer,
        *,
        heartbeat: float,
        max_frame_bytes: int,
    ) -> None:
        super().__init__(
            heartbeat=heartbeat,
            max_msg_size=max_frame_bytes,
            compress=False,
            decode_text=False,
            autoping=False,
        )
        self.outgoing = outgoing
        self._transport = transport
        self._control = CONTROL_BURST
        self._control_at = time.monotonic()
        self._ping: bytes | None = None
        self._awaiting = True
        self._unfinished = 0
        self._first_bytes = 0
        self.flooded = False
        """Whether it was cut off for too many control frames or empty fragments."""
        self._end: asyncio.Task[bool] | None = None

    def received(self, data: bytes) -> None:
        """`data` came. Cuts a peer off that does not mask, or sends fragments without an end.

        Only what comes while a message is awaited counts: otherwise whole ones are waiting.
        """
        if self._first_bytes < MASK_BYTE:
            self._check_mask(data)
        if not self._awaiting:
            return
        self._unfinished += len(data)
        if self._unfinished > FRAGMENT_FACTOR * self._max_msg_size + 2 * READ_BYTES:
            self._cut_off_flood()

    def _check_mask(self, data: bytes) -> None:
        """A client masks each frame (RFC 6455, section 5.1). The parser accepts them without; the
        first one tells, for who masks that masks them all."""
        head = data[: MASK_BYTE - self._first_bytes]
        self._first_bytes += len(head)
        if self._first_bytes == MASK_BYTE and not head[-1] & 0x80:
            self._cut_off(CloseCode.PROTOCOL_ERROR, b"a frame without a mask")

    async def next_message(self) -> WSMessage:
        """The next message, or the end. Pings are answered and pongs dropped on the way."""
        while True:
            self._awaiting = True
            message = cast(WSMessage, await self.receive())
            self._awaiting = False
            self._unfinished = 0
            if message.type is WSMsgType.TEXT:
                return message
            if message.type is not WSMsgType.PING and message.type is not WSMsgType.PONG:
                return message
            if message.type is WSMsgType.PING:
                if self._ping is None:
                    asyncio.get_running_loop().call_soon(self._answer_ping)
                self._ping = bytes(message.data)
            self._count_control_frame()

    def _answer_ping(self) -> None:
        """Answer the newest ping (RFC 6455, section 5.5.3: those before it need no answer)."""
        payload, self._ping = self._ping, None
        if payload is not None:
            self.outgoing.offer(control_frame(PONG, payload))

    def _count_control_frame(self) -> None:
        now = time.monotonic()
        earned = (now - self._control_at) * CONTROL_RATE
        self._control = min(CONTROL_BURST, self._control + earned) - 1
        self._control_at = now
        if self._control < 0:
            self._cut_off_flood()

    def _cut_off_flood(self) -> None:
        self.flooded = self._cut_off(CloseCode.FLOOD, b"too many control frames") or self.flooded

    def _cut_off(self, code: CloseCode, reason: bytes) -> bool:
        """Say why, and read nothing more: what the peer still sends must not cost anything.

        False where it is closing already.
        """
        if self._transport.is_closing():
            return False
        log.info("cut off", connection=self.outgoing.id, code=int(code))
        self.outgoing.offer(close_frame(code, reason))
        self.outgoing.end()
        self._transport.close()
        return True

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = False) -> bool:
        """Never waits for the peer to read: `drain` means nothing. False where it is closed."""
        if self.closed:
            return False
        self.outgoing.end()
        # A closed transport first writes what it still has, which never ends if nobody reads.
        deadline = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)
        try:
            return await super().close(code=code, message=message, drain=False)
        finally:
            if not self._transport.get_write_buffer_size():
                deadline.cancel()

    def close_soon(self, code: CloseCode) -> None:
        """Close from any task; the one that reads awaits `ended`. The first call sets the code."""
        if self._end is None:
            reason = code.name.lower().replace("_", " ").encode()
            self._end = asyncio.create_task(self.close(code=code, message=reason))

    async def ended(self) -> None:
        """Returns once a close that `close_soon` began is over; at once where there is none."""
        if self._end is not None:
            await self._end

    async def refuse(self, error: ServiceError, id: str | None, code: CloseCode) -> None:
        """Say why, and close."""
        self.outgoing.offer(text_frame(encode(error_event(error, id))))
        await self.close(code=code, message=error.code.encode())

    async def refuse_bytes(self, error: ServiceError, id: UUID | str | None) -> None:
        """The frame is no text (RFC 6455, section 8.1)."""
        self.outgoing.offer(text_frame(encode(error_event(error, id))))
        await self.close(code=CloseCode.INVALID_TEXT, message=b"not UTF-8")

    async def refuse_binary(self) -> None:
        await self.close(code=CloseCode.PROTOCOL_VIOLATION, message=b"text frames only")
