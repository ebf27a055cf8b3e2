"""A socket's outgoing frames: offered without waiting, written together, bounded.

It must never know what a frame says, or who reads it.
"""

import asyncio
from enum import Enum
from uuid import uuid4

from chat_service.protocol import CloseCode
from shared.observability.logs import get_logger

log = get_logger("writer")


class WriterState(Enum):
    """`OPEN` leads to one of the others, and they to nothing."""

    OPEN = "open"
    ENDED = "ended"
    """The close frame is the last one, so nothing is written any more."""
    CUT_OFF = "cut off"
    """The peer did not read."""


_OPEN = WriterState.OPEN  # a look-up on the class costs as much as a call


class Flusher:
    """Flushes at the end of a turn of the event loop what was offered in it: one write a socket,
    however many frames it got. A write is a system call, and most of what a delivery costs."""

    def __init__(self) -> None:
        self._waiting: list[Writer] = []

    def add(self, writer: "Writer") -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(writer)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for writer in waiting:
            writer.flush()


class Writer:
    """Writes whole frames to a transport, and cuts off a peer that does not read.

    `id` names the socket. `limit` bytes may be offered in one turn, and as many may wait in the
    transport.
    """

    __slots__ = ("_flusher", "_limit", "_transport", "_unsent", "_unsent_bytes", "id", "state")

    def __init__(self, transport: asyncio.Transport, limit: int, flusher: Flusher) -> None:
        self.id = uuid4().hex
        self.state = _OPEN
        self._limit = limit
        self._transport = transport
        self._flusher = flusher
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0

    def offer(self, frame: bytes) -> None:
        """Write a frame together with this turn's others."""
        if not self._unsent:
            self._flusher.add(self)
        self._unsent.append(frame)
        self._unsent_bytes += len(frame)
        if self._unsent_bytes > self._limit:
            self.cut_off()

    def offer_or_drop(self, frame: bytes) -> None:
        """Offer a frame, but drop it where more than half of the limit waits in the transport."""
        if self._transport.get_write_buffer_size() * 2 <= self._limit:
            self.offer(frame)

    def flush(self) -> None:
        """Write what was offered. Call it before anything else writes to the transport."""
        unsent, self._unsent = self._unsent, []
        self._unsent_bytes = 0
        transport = self._transport
        if not unsent or self.state is not _OPEN or transport.is_closing():
            return
        if transport.get_write_buffer_size() > self._limit:
            self.cut_off()
        else:
            transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))

    def end(self) -> None:
        """Write what was offered, and nothing after that."""
        self.flush()
        if self.state is _OPEN:
            self.state = WriterState.ENDED

    def cut_off(self) -> None:
        """Abort the transport. The code is for the log: a peer that does not read cannot be told.

        Every socket that ends as `SLOW_CONSUMER` (4001) does so here.
        """
        if self.state is _OPEN and not self._transport.is_closing():
            self.state = WriterState.CUT_OFF
            code = CloseCode.SLOW_CONSUMER
            log.info("cut off", connection=self.id, code=int(code), reason=code.name.lower())
        self._transport.abort()
