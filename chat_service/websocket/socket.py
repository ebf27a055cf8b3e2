"""aiohttp's WebSocket, with an end that does not depend on its peer.

aiohttp closes a socket in many places by itself: at the peer's close frame, at a frame that breaks
the protocol, at the end of the stream. All of them go through `close`.
"""

import asyncio
from uuid import UUID

from aiohttp import web
from msgspec import UNSET

from chat_service.delivery import Writer, text_frame
from chat_service.protocol import CloseCode, Error, encode
from shared.errors import ServiceError
from shared.http.problems import retry_after_ms

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

    __slots__ = ("_end", "_transport", "outgoing")

    def __init__(
        self,
        transport: asyncio.Transport,
        outgoing: Writer,
        *,
        heartbeat: float,
        max_frame_bytes: int,
    ) -> None:
        super().__init__(
            heartbeat=heartbeat, max_msg_size=max_frame_bytes, compress=False, decode_text=False
        )
        self.outgoing = outgoing
        self._transport = transport
        self._end: asyncio.Task[bool] | None = None

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

    async def refuse_binary(self) -> None:
        await self.close(code=CloseCode.PROTOCOL_VIOLATION, message=b"text frames only")
