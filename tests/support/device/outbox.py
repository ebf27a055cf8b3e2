"""Ops that wait for their answer, in the order in which they were given."""

from collections.abc import Iterator

from tests.support.device.frames import Event


class Outbox:
    """After a refusal that says when to try again, nothing is sent before that time; then what was
    refused goes first, one after the other. So an order is kept that one refusal would break.

    Times are in seconds, on any one clock.
    """

    def __init__(self) -> None:
        self._ops: dict[str, Event] = {}
        self._sent_at: dict[str, float] = {}
        self._refused: set[str] = set()
        self._held_until = 0.0

    def __len__(self) -> int:
        return len(self._ops)

    def __contains__(self, id: object) -> bool:
        return id in self._ops

    def __getitem__(self, id: str) -> Event:
        return self._ops[id]

    def add(self, op: Event) -> None:
        self._ops[op["id"]] = op

    def due(self, now: float) -> Iterator[Event]:
        """Those to send now, in their order; they count as sent."""
        if now < self._held_until:
            return
        unsent = [id for id in self._ops if id not in self._sent_at]
        if self._refused:
            unsent = [] if self._sent_at else unsent[:1]
        for id in unsent:
            self._sent_at[id] = now
            yield self._ops[id]

    def answered(self, id: str) -> None:
        """It is done with: acknowledged, or refused for good."""
        self._ops.pop(id, None)
        self._sent_at.pop(id, None)
        self._refused.discard(id)

    def refused(self, id: str, until: float) -> None:
        """It may be sent again from then on."""
        self._sent_at.pop(id, None)
        self._refused.add(id)
        self._held_until = until

    def lost(self) -> None:
        """The connection is gone: everything has to be sent again."""
        self._sent_at.clear()
        self._refused.clear()
        self._held_until = 0.0

    def unanswered_since(self) -> float | None:
        """When the oldest one that was sent and has no answer was sent."""
        return min(self._sent_at.values(), default=None)
