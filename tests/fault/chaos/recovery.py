"""How long after a fault everything worked again, as the history has it.

Where faults overlap, a later one may be what somebody waited for: these times are upper bounds.
"""

from bisect import bisect_left
from collections.abc import Iterator

from msgspec import Struct

from tests.fault.chaos.history import (
    Answered,
    Connected,
    FaultBegan,
    FaultEnded,
    History,
    Invoked,
    Outcome,
    Saw,
)


class Recovery(Struct, frozen=True):
    """Seconds; None where it was not seen before the history's end.

    `first_ack` is from the beginning of the fault until something sent since then was acknowledged,
    anywhere: for how long nobody could send. `acks` is from the end of the fault until that was so
    at every instance, `deliveries` until at every instance somebody was given something said since.
    """

    kind: str
    target: str
    first_ack: float | None
    acks: float | None
    deliveries: float | None


def recoveries(history: History) -> Iterator[Recovery]:
    """One for each fault that has ended."""
    acks, deliveries = _Flow(), _Flow()
    asked: dict[int, Invoked] = {}
    said: dict[str, float] = {}
    where: dict[int, str] = {}
    for record in history:
        match record:
            case Connected():
                where[record.connection] = record.instance
            case Invoked():
                asked[record.attempt] = record
                said.setdefault(record.id, record.at)
            case Answered(outcome=Outcome.ACKNOWLEDGED) if record.attempt in asked:
                attempt = asked[record.attempt]
                acks.add(attempt.instance, attempt.at, record.at)
            case Saw() if record.id in said:
                deliveries.add(where[record.connection], said[record.id], record.at)
            case _:
                pass
    ended = {one.number: one.at for one in history if isinstance(one, FaultEnded)}
    for fault in history:
        if isinstance(fault, FaultBegan) and fault.number in ended:
            end = ended[fault.number]
            yield Recovery(
                fault.kind,
                fault.target,
                acks.anywhere(fault.at),
                acks.everywhere(end),
                deliveries.everywhere(end),
            )


class _Flow:
    """By instance: when things were asked for, and when that came."""

    def __init__(self) -> None:
        self._flows: dict[str, list[tuple[float, float]]] = {}
        self._sorted = False

    def add(self, instance: str, asked_at: float, came_at: float) -> None:
        self._flows.setdefault(instance, []).append((asked_at, came_at))

    def anywhere(self, since: float) -> float | None:
        found = [one for one in self._firsts(since) if one is not None]
        return min(found, default=None)

    def everywhere(self, since: float) -> float | None:
        found = list(self._firsts(since))
        return None if None in found else max((one for one in found if one), default=None)

    def _firsts(self, since: float) -> Iterator[float | None]:
        """For each instance, how long after `since` the first came that was asked for since."""
        if not self._sorted:
            for flow in self._flows.values():
                flow.sort()
            self._sorted = True
        for flow in self._flows.values():
            later = flow[bisect_left(flow, (since, 0.0)) :][:2000]
            yield min((came for _, came in later), default=since) - since if later else None
