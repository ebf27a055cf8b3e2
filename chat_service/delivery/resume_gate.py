"""Holds a socket's live events while a resume is under way: what was missed comes before them."""

from collections.abc import Callable, Mapping
from enum import Enum

from chat_service.delivery.writer import Writer
from chat_service.fanout import Event

MAX_HELD = 2000
"""Events that may wait for a resume; a peer that takes longer is cut off."""


class GateState(Enum):
    JOINING = "joining"
    """Not welcomed yet: events are held."""
    RESUMING = "resuming"
    """Events are held."""
    RESUMED = "resumed"
    """Events pass, unless the resume has sent them already."""
    LIVE = "live"
    """Events pass: none that a resume has sent can still come."""


_LIVE = GateState.LIVE
_RESUMED = GateState.RESUMED


class ResumeGate:
    """Passes events of the log to a writer, once each and after what was missed."""

    __slots__ = ("_covered", "_held", "_writer", "state")

    def __init__(self, writer: Writer) -> None:
        self.state = GateState.JOINING
        self._writer = writer
        self._held: list[Event] = []
        self._covered: dict[str, int] = {}

    def deliver(self, event: Event) -> None:
        """Offer `event` to the writer, hold it, or drop it, as the state demands."""
        state = self.state
        if state is not _LIVE:
            if state is not _RESUMED:
                self._held.append(event)
                if len(self._held) > MAX_HELD:
                    self._writer.cut_off()
                return
            covered = self._covered.get(event.conversation)
            if covered is not None:
                if event.seq <= covered:
                    return
                del self._covered[event.conversation]
                if not self._covered:
                    self.state = _LIVE
        self._writer.offer(event.frame)

    def hold(self) -> None:
        """A resume begins."""
        self.state = GateState.RESUMING

    def release(self, covered: Mapping[str, int], position: Callable[[str], int | None]) -> None:
        """The welcome was sent, or a resume ended that sent everything up to `covered`.

        `position` tells up to where events were delivered on this instance: what it has passed
        cannot come again and is not remembered.
        """
        self.state = _RESUMED
        held, self._held = self._held, []
        self._covered.update(covered)
        for event in held:
            self.deliver(event)
        for conversation, seq in covered.items():
            if (position(conversation) or 0) >= seq:
                self._covered.pop(conversation, None)
        if not self._covered:
            self.state = _LIVE
