"""aiohttp's WebSocket, with an end that does not depend on its peer.

aiohttp closes a socket in many places by itself: at the peer's close frame, at a frame that breaks
the protocol, at the end of the stream. All of them go through `close`.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

CLOSE_SECONDS = 10.0
"""From a close frame until the transport is cut off, whether or not the peer has read it."""


class WebSocket(web.WebSocketResponse[bool]):
    """`before_close` is called once, before the close frame: the last moment to write anything."""

    __slots__ = ("_transport", "before_close")

    def __init__(self, transport: asyncio.Transport, **settings: Any) -> None:
        super().__init__(**settings)
        self._transport = transport
        self.before_close: Callable[[], None] = lambda: None

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = False) -> bool:
        """Never waits for the peer to read: `drain` means nothing. False where it is closed."""
        if self.closed:
            return False
        self.before_close()
        # A transport that is closed first writes what it still has: never, if nobody reads.
        deadline = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)
        try:
            return await super().close(code=code, message=message, drain=False)
        finally:
            if not self._transport.get_write_buffer_size():
                deadline.cancel()
