"""Puts the events of each conversation in `seq` order before any socket sees them.

Events come from this instance's commits and from the broker: late, twice, out of order or not at
all. The sequencer releases each once, in order. It gives a gap a moment to fill itself, then reads
the log: a backfill. It must never know a socket or the broker.

A conversation's position is known from its first event on, for as long as one participant stays
connected. At the first event it is not clear whether earlier entries are owed to somebody. Those
that were written after the participant came are; older ones are history, unless a majority got them
so late that the participant could not read them.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from chat_service.fanout import Event
from chat_service.log import Announcement
from shared.errors import ServiceError
from shared.observability.logs import get_logger

log = get_logger("sequencer")

KNOWN_POSITIONS = 100_000
"""Beyond it, the positions that were used least recently are forgotten."""
CLOCK_SKEW_MS = 500
"""How far the clocks that entries are written by may differ. If they differ more, an entry that was
written just when its reader connected may be taken for history. A larger value reads more of the
log."""
MAX_GAP = 500
"""Entries in the largest gap that is backfilled; across a larger one the sockets resume."""
RETRY_SECONDS = 1.0

Release = Callable[[Event, object], None]
"""(event, origin): give an event to the sockets of its participants, except `origin`."""


class Source(Protocol):
    """Where missing events come from."""

    async def __call__(
        self, conversation: str, participants: tuple[str, str], after: int, upto: int, limit: int
    ) -> list[Event]:
        """Events with `after` < seq <= `upto`, the newest `limit` of them, in order.

        Raises a `ServiceError` where the log cannot be read now.
        """


class _Position:
    """Everything up to `seq` of one conversation was released, or is owed to nobody.

    `held` are events that wait for earlier ones. Entries up to `known_head` exist. `backfill` is
    the task that reads what is missing. While the start is still unknown, `owed_from` is set:
    entries written since (ms since the epoch) are owed, and those after `late_after` in any case.
    """

    __slots__ = ("backfill", "held", "known_head", "late_after", "owed_from", "released_at", "seq")

    def __init__(self, seq: int, owed_from: float, now: float) -> None:
        self.seq = seq
        self.released_at = now
        self.held: dict[int, tuple[Event, object]] = {}
        self.known_head = 0
        self.backfill: asyncio.Task[None] | None = None
        self.owed_from: float | None = owed_from
        self.late_after: int | None = None

    @property
    def missing_upto(self) -> int:
        """The last position known to be missing; at most `seq` where none is."""
        return min(self.held) - 1 if self.held else self.known_head

    def owe_after(self, late_after: int | None) -> None:
        if late_after is not None and (self.late_after is None or late_after < self.late_after):
            self.late_after = late_after

    def is_owed(self, event: Event) -> bool:
        """Whether `event` is owed, as long as the start is unknown."""
        late = self.late_after is not None and event.seq > self.late_after
        return late or self.owed_from is None or event.at >= self.owed_from


class Sequencer:
    """Releases events in order.

    `since(first, second)` says when the one of the two came who has been connected here for longer;
    None where neither is. It is in seconds since the epoch by `clock`, which entries are written
    by. `give_up(first, second)` is called where their sockets must resume to get everything.
    """

    def __init__(
        self,
        source: Source,
        release: Release,
        since: Callable[[str, str], float | None],
        give_up: Callable[[str, str], None],
        *,
        gap_wait: float,
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._source = source
        self._release = release
        self._since = since
        self._give_up = give_up
        self._gap_wait = gap_wait
        self._positions: OrderedDict[str, _Position] = OrderedDict()
        self._forgotten_until = 0.0
        self.gaps_filled = 0

    def position(self, conversation: str) -> int | None:
        """Up to where events were released; None where that is unknown."""
        position = self._positions.get(conversation)
        return None if position is None or position.owed_from is not None else position.seq

    def offer(self, event: Event, origin: object = None) -> None:
        """Release `event`, and what waited for it, once its turn has come."""
        since = self._since(event.first, event.second)
        position = self._positions.get(event.conversation)
        if since is None:
            if position is not None and position.backfill is None:
                position.seq = max(position.seq, event.seq)  # who comes later is not owed it
            return
        if position is None or position.released_at < since:
            owed_from = self._owed_from(since)
            position = self._begin(event.conversation, owed_from)
            late_before = event.late_after is not None and event.late_after < event.seq - 1
            history_before = event.previous_at < owed_from and not late_before
            if history_before or event.seq == position.seq + 1:
                position.seq = max(position.seq, event.seq - 1)
                position.owed_from = None
        else:
            self._positions.move_to_end(event.conversation)
        if event.seq <= position.seq:
            return
        if position.backfill is None and event.seq == position.seq + 1:
            position.seq = event.seq
            position.released_at = self._clock()
            self._release(event, origin)
            return
        position.owe_after(event.late_after)
        position.held.setdefault(event.seq, (event, origin))
        self._go_on(event.conversation, (event.first, event.second), position)

    def announce(self, news: Announcement) -> None:
        """Entries up to `news.head` exist: read those that were not offered."""
        since = self._since(news.first, news.second)
        if since is None:
            return
        position = self._positions.get(news.conversation)
        if position is None or position.released_at < since:
            position = self._begin(news.conversation, self._owed_from(since))
        else:
            self._positions.move_to_end(news.conversation)
        position.owe_after(news.late_after)
        position.known_head = max(position.known_head, news.head)
        self._go_on(news.conversation, (news.first, news.second), position)

    async def close(self) -> None:
        """Cancel every backfill."""
        tasks = [position.backfill for position in self._positions.values() if position.backfill]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _owed_from(self, since: float) -> float:
        return max(since * 1000 - CLOCK_SKEW_MS, self._forgotten_until * 1000)

    def _begin(self, conversation: str, owed_from: float) -> _Position:
        """A position whose start is unknown, after what was released here before."""
        stale = self._positions.pop(conversation, None)
        if stale is not None and stale.backfill is not None:
            stale.backfill.cancel()
        position = _Position(0 if stale is None else stale.seq, owed_from, self._clock())
        self._positions[conversation] = position
        self._forget_some()
        return position

    def _forget_some(self) -> None:
        while len(self._positions) > KNOWN_POSITIONS:
            conversation, position = self._positions.popitem(last=False)
            if position.backfill is not None:  # in use, so as recent as any
                self._positions[conversation] = position
                return
            self._forgotten_until = max(self._forgotten_until, position.released_at)

    def _go_on(self, conversation: str, participants: tuple[str, str], position: _Position) -> None:
        """Release what has its turn, and begin a backfill where entries are missing."""
        if position.owed_from is None:
            held = position.held
            while (ready := held.pop(position.seq + 1, None)) is not None:
                position.seq += 1
                position.released_at = self._clock()
                self._release(*ready)
            if len(held) > MAX_GAP:
                self._skip(participants, position, max(held))
        if position.backfill is None and (
            position.owed_from is not None or position.missing_upto > position.seq
        ):
            position.backfill = asyncio.create_task(
                self._backfill(conversation, participants, position)
            )

    async def _backfill(
        self, conversation: str, participants: tuple[str, str], position: _Position
    ) -> None:
        try:
            while position.owed_from is not None or position.missing_upto > position.seq:
                try:
                    if position.owed_from is not None:
                        await self._find_start(conversation, participants, position)
                    else:
                        await asyncio.sleep(self._gap_wait)
                        await self._fill(conversation, participants, position)
                except ServiceError:
                    await asyncio.sleep(RETRY_SECONDS)
        except Exception:
            log.exception("a backfill failed", conversation=conversation)
            self._skip(participants, position, max(position.held, default=position.known_head))
        finally:
            position.backfill = None

    async def _find_start(
        self, conversation: str, participants: tuple[str, str], position: _Position
    ) -> None:
        floor, upto = position.seq, position.missing_upto
        found = await self._source(conversation, participants, floor, upto, MAX_GAP)
        owed = [event for event in found if position.is_owed(event)]
        position.owed_from = None
        if len(owed) == MAX_GAP:
            self._skip(participants, position, upto)
        else:
            for event in owed:
                position.held.setdefault(event.seq, (event, None))
            position.seq = max(floor, min(upto, min(position.held, default=upto + 1) - 1))
            self.gaps_filled += len(owed)
        self._go_on(conversation, participants, position)

    async def _fill(
        self, conversation: str, participants: tuple[str, str], position: _Position
    ) -> None:
        after, upto = position.seq, position.missing_upto
        if upto <= after:
            return
        found: list[Event] = []
        if upto - after <= MAX_GAP:
            found = await self._source(conversation, participants, after, upto, MAX_GAP)
            for event in found:
                if event.seq > position.seq:
                    position.held.setdefault(event.seq, (event, None))
            self.gaps_filled += len(found)
        self._go_on(conversation, participants, position)
        if position.seq < upto:
            log.warning("a gap was not filled", conversation=conversation, size=upto - after)
            self._skip(participants, position, upto)
        self._go_on(conversation, participants, position)

    def _skip(self, participants: tuple[str, str], position: _Position, upto: int) -> None:
        """Go on after `upto`. The sockets resume to get what is before it."""
        position.seq = max(position.seq, upto)
        for seq in [seq for seq in position.held if seq <= position.seq]:
            del position.held[seq]
        self._give_up(*participants)
