"""Holds a socket's live events while a resume is under way: what was missed comes before them."""

from collections.abc import Mapping
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
    LIVE = "live"
    """Events pass."""


_LIVE = GateState.LIVE


class ResumeGate:
    """Passes events of the log to a writer, after what was missed.

    An event that comes later than the resume which sent its entry passes, too: the device knows
    that it has it.
    """

    __slots__ = ("_held", "_writer", "state")

    def __init__(self, writer: Writer) -> None:
        self.state = GateState.JOINING
        self._writer = writer
        self._held: list[Event] = []

    def deliver(self, event: Event) -> None:
        """Offer `event` to the writer, or hold it."""
        if self.state is _LIVE:
            self._writer.offer(event.frame)
            return
        self._held.append(event)
        if len(self._held) > MAX_HELD:
            self._writer.cut_off()

    def hold(self) -> None:
        """A resume begins."""
        self.state = GateState.RESUMING

    def release(self, covered: Mapping[str, int]) -> None:
        """The welcome was sent, or a resume ended that sent everything up to `covered`."""
        self.state = _LIVE
        held, self._held = self._held, []
        for event in held:
            if event.seq > covered.get(event.conversation, 0):
                self._writer.offer(event.frame)
