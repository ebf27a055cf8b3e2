"""One authenticated socket: what it is sent, without ever waiting for it.

It must never know who else is connected.
"""

import asyncio
from collections.abc import Callable, Mapping
from uuid import uuid4

from msgspec import Struct

from chat_service.delivery.frames import text_frame
from chat_service.fanout import Event
from chat_service.protocol import CloseCode, ServerEvent, encode
from shared.observability.logs import get_logger
from shared.tokens import Claims

log = get_logger("connection")


class Bounds(Struct, frozen=True):
    """`write_buffer` in bytes; signals (typing, presence) are dropped above half of it.
    `held` events wait for a resume to end; `in_flight` sends for their answers."""

    write_buffer: int
    in_flight: int
    held: int = 2000


class Flusher:
    """Writes what was offered in one turn of the event loop at its end: one write a socket, however
    many frames it got. A write is a system call, and most of what a delivery costs."""

    def __init__(self) -> None:
        self._waiting: list[Connection] = []

    def add(self, connection: "Connection") -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(connection)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for connection in waiting:
            connection.flush()


class Connection:
    """Offers frames to a transport whose buffer is bounded; a peer that does not read is cut off.

    Events are held from the beginning: `release` them once the socket was welcomed. `revoke` is
    called when the session that its token is of was revoked.
    """

    __slots__ = (
        "_bounds",
        "_covered",
        "_ended",
        "_flusher",
        "_held",
        "_in_flight",
        "_room",
        "_transport",
        "_unsent",
        "_unsent_bytes",
        "_welcomed",
        "claims",
        "cut_off",
        "employee",
        "id",
        "revoke",
        "token",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        claims: Claims,
        token: str,
        bounds: Bounds,
        flusher: Flusher,
    ) -> None:
        self.id = uuid4().hex
        self.claims = claims
        self.token = token
        self.employee = claims.email
        self.revoke: Callable[[], None] = lambda: None
        self.cut_off: CloseCode | None = None
        self._transport = transport
        self._bounds = bounds
        self._flusher = flusher
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._ended = False
        self._in_flight = 0
        self._room: asyncio.Event | None = None
        self._welcomed = False
        self._held: list[Event] | None = []
        self._covered: dict[str, int] = {}

    def offer(self, frame: bytes) -> None:
        """Write a whole frame with this turn's others, or cut the peer off when too much waits."""
        if not self._unsent:
            self._flusher.add(self)
        self._unsent.append(frame)
        self._unsent_bytes += len(frame)
        if self._unsent_bytes > self._bounds.write_buffer:
            self.abort(CloseCode.SLOW_CONSUMER)

    def flush(self) -> None:
        """Write what was offered. Call it before anything else writes to the transport."""
        unsent, self._unsent = self._unsent, []
        self._unsent_bytes = 0
        transport = self._transport
        if not unsent or self._ended or transport.is_closing():
            return
        if transport.get_write_buffer_size() > self._bounds.write_buffer:
            self.abort(CloseCode.SLOW_CONSUMER)
        else:
            transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))

    def end(self) -> None:
        """Write what was offered, and nothing ever after: the close frame is the last one."""
        self.flush()
        self._ended = True

    def send(self, event: ServerEvent) -> None:
        self.offer(text_frame(encode(event)))

    def signal(self, frame: bytes) -> None:
        """Offer something that is worth nothing later: dropped where the peer reads slowly, or was
        not welcomed yet."""
        unread = self._transport.get_write_buffer_size()
        if self._welcomed and unread * 2 <= self._bounds.write_buffer:
            self.offer(frame)

    def resync(self, frame: bytes) -> None:
        """Offer a `resync`, but not before the welcome: that is resumed after anyway."""
        if self._welcomed:
            self.offer(frame)

    def deliver(self, event: Event) -> None:
        """Offer an event of the log; while a resume is under way it waits for its turn."""
        if self._held is not None:
            self._held.append(event)
            if len(self._held) > self._bounds.held:
                self.abort(CloseCode.SLOW_CONSUMER)
            return
        if self._covered:
            covered = self._covered.get(event.conversation)
            if covered is not None:
                if event.seq <= covered:
                    return
                del self._covered[event.conversation]
        self.offer(event.frame)

    def hold(self) -> None:
        """Let live events wait from now on, until `release`."""
        self._held = []

    def release(
        self, covered: Mapping[str, int], position: Callable[[str], int | None] | None = None
    ) -> None:
        """Go on after a resume that sent everything up to `covered`: nothing comes twice.

        `position` tells up to where events were delivered on this instance; what it has passed
        cannot come again and is not remembered.
        """
        self._welcomed = True
        held, self._held = self._held or [], None
        self._covered.update(covered)
        for event in held:
            self.deliver(event)
        if position is not None:
            for conversation, seq in covered.items():
                if (position(conversation) or 0) >= seq:
                    self._covered.pop(conversation, None)

    def began(self) -> None:
        """A send is under way."""
        self._in_flight += 1

    def ended(self) -> None:
        """A send was answered."""
        self._in_flight -= 1
        if self._room is not None:
            self._room.set()

    @property
    def full(self) -> bool:
        """As many sends are under way as may be."""
        return self._in_flight >= self._bounds.in_flight

    async def room(self) -> None:
        """Returns once another send may begin; until then nobody reads on."""
        await self._fewer_than(self._bounds.in_flight)

    async def quiet(self) -> None:
        """Returns once every send was answered."""
        await self._fewer_than(1)

    async def _fewer_than(self, count: int) -> None:
        while self._in_flight >= count:
            self._room = asyncio.Event()
            await self._room.wait()
        self._room = None

    def abort(self, code: CloseCode) -> None:
        """Cut the peer off: it does not read, so it cannot be told."""
        if not self._transport.is_closing():
            self.cut_off = code
            log.info("cut off", connection=self.id, code=int(code), reason=code.name.lower())
        self._transport.abort()
