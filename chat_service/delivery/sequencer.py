"""Puts the events of each conversation in `seq` order before any socket sees them.

Events come from this instance's commits and from the broker: late, twice, out of order or not at
all. Where this instance knows up to where it has released a conversation, it releases each event
once and in order, and reads a gap from the log. Where it does not know, it passes events on as they
come, or says how far the log goes: a device's cursor says what it lacks. It must never know a
socket, the broker or a clock.

A position is known from a conversation's first event on, for as long as one participant stays
attached without a break.
"""

from collections import OrderedDict
from collections.abc import Callable

from chat_service.delivery.backfill import Backfill, Gap, Source
from chat_service.fanout import Event
from chat_service.log import Announcement

KNOWN_POSITIONS = 100_000
"""Beyond it, the position that was used least recently is forgotten."""
MAX_GAP = 500
"""Entries in the largest gap that is backfilled; across a larger one the devices resume."""

Release = Callable[[Event, object], None]
"""(event, origin): give an event to the sockets of its participants, except `origin`."""
Stays = Callable[[str, str], tuple[int, int]]
"""(first, second): a number for each one's present stay on this instance, never given again; 0 for
whoever is not attached."""

_NOBODY = (0, 0)


class _Position:
    """Everything up to `seq` was released, or lies before the first event since this began.

    Below `lowest`, which is 0 once an event followed the first, nothing was released: what comes
    late from there still is. `held` are events that wait for earlier ones. Entries up to `head`
    exist.
    """

    __slots__ = ("head", "held", "lowest", "people", "seq", "stays")

    def __init__(self, event: Event, stays: tuple[int, int]) -> None:
        self.people = (event.first, event.second)
        self.stays = stays
        self.seq = self.lowest = self.head = event.seq
        self.held: dict[int, tuple[Event, object]] = {}

    @property
    def gap(self) -> Gap | None:
        """What is missing first."""
        upto = min(self.held) - 1 if self.held else self.head
        return Gap(*self.people, self.seq, upto) if upto > self.seq else None

    def holds(self, stays: tuple[int, int]) -> bool:
        """Whether one participant has stayed since this position was used last."""
        mine = self.stays
        if mine == stays:
            return True
        self.stays = stays
        return 0 != mine[0] == stays[0] or 0 != mine[1] == stays[1]


class Sequencer:
    """Releases events in order. `backfill` fills gaps that last longer than `gap_wait` seconds.

    `lagging` is called with the head of a conversation that devices have to catch up with by
    themselves.
    """

    def __init__(
        self,
        source: Source,
        release: Release,
        lagging: Callable[[Announcement], None],
        stays: Stays,
        *,
        gap_wait: float,
    ) -> None:
        self._release = release
        self._lagging = lagging
        self._stays = stays
        self._positions: OrderedDict[str, _Position] = OrderedDict()
        self.backfill = Backfill(source, self._gap, self._found, self._skip, gap_wait)

    def offer(self, event: Event, origin: object = None) -> None:
        """Release `event`, and what waited for it, once its turn has come."""
        stays = self._stays(event.first, event.second)
        if stays == _NOBODY:
            return
        position = self._known(event.conversation, stays)
        if position is None:
            self._begin(event, stays)
            self._release(event, origin)
        elif event.seq == position.seq + 1:
            position.seq = event.seq
            position.lowest = 0
            self._release(event, origin)
            if position.held:
                self._release_held(event.conversation, position)
        elif event.seq > position.seq:
            position.held.setdefault(event.seq, (event, origin))
            position.head = max(position.head, event.seq)
            self._wait(event.conversation, position)
        elif event.seq < position.lowest:
            position.lowest = event.seq
            self._release(event, origin)

    def announce(self, news: Announcement) -> None:
        """Entries up to `news.head` exist: release those that were not offered, or tell the
        devices."""
        stays = self._stays(news.first, news.second)
        if stays == _NOBODY:
            return
        position = self._known(news.conversation, stays)
        if position is None:
            self._lagging(news)
        elif news.head > position.seq:
            position.head = max(position.head, news.head)
            self._wait(news.conversation, position)

    def _known(self, conversation: str, stays: tuple[int, int]) -> _Position | None:
        position = self._positions.get(conversation)
        if position is None:
            return None
        if position.holds(stays):
            self._positions.move_to_end(conversation)
            return position
        del self._positions[conversation]
        return None

    def _begin(self, event: Event, stays: tuple[int, int]) -> None:
        self._positions[event.conversation] = _Position(event, stays)
        if len(self._positions) > KNOWN_POSITIONS:
            conversation, oldest = self._positions.popitem(last=False)
            if oldest.gap is not None:
                self._tell(conversation, oldest)

    def _wait(self, conversation: str, position: _Position) -> None:
        """An entry is missing: its event may still come, or it is read from the log."""
        if position.head - position.seq > MAX_GAP:
            self._skip(conversation)
        else:
            self.backfill.expect(conversation)

    def _gap(self, conversation: str) -> Gap | None:
        position = self._positions.get(conversation)
        return None if position is None else position.gap

    def _found(self, event: Event) -> None:
        position = self._positions.get(event.conversation)
        if position is not None and event.seq > position.seq:
            position.held.setdefault(event.seq, (event, None))
            self._release_held(event.conversation, position)

    def _release_held(self, conversation: str, position: _Position) -> None:
        held = position.held
        position.lowest = 0
        while (ready := held.pop(position.seq + 1, None)) is not None:
            position.seq += 1
            self._release(*ready)
        if held:
            self._wait(conversation, position)

    def _skip(self, conversation: str) -> None:
        """Go on after what is missing. The devices resume to get it."""
        position = self._positions.get(conversation)
        if position is not None:
            self._tell(conversation, position)
            position.seq = max(position.head, position.seq)
            position.held.clear()

    def _tell(self, conversation: str, position: _Position) -> None:
        head = max(position.head, position.seq)
        self._lagging(Announcement(conversation, *position.people, head))
