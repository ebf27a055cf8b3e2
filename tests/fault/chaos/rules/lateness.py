"""Whoever is connected has an entry soon after it was acknowledged, or after the fault is over."""

from collections.abc import Iterator

from tests.fault.chaos.history import (
    Answered,
    Connected,
    FaultBegan,
    FaultEnded,
    History,
    Outcome,
    ResumeEnded,
    Saw,
)
from tests.fault.chaos.rules.violation import Violation

CALM_SECONDS = 5.0
"""The 2 s of promise 3, and what two loaded cores take beside them."""
TROUBLED_SECONDS = 30.0
"""The 20 s of promise 3, the spread of resyncs, and until whoever was hurt works again."""

Fault = tuple[float, float]


def late(history: History) -> Iterator[Violation]:
    """A connected device was given an entry long after its acknowledgement, although it had caught
    up before and nothing was wrong meanwhile."""
    acks = _acknowledgements(history)
    faults = _faults(history)
    for records in history.clients.values():
        connected: Connected | None = None
        caught_up: float | None = None
        seen: set[tuple[str, int]] = set()
        for record in records:
            match record:
                case Connected():
                    connected, caught_up = record, None
                case ResumeEnded() if not record.failed:
                    caught_up = record.at if caught_up is None else caught_up
                case Saw():
                    place = (record.conversation, record.seq)
                    ack = acks.get(place)
                    if ack is None or connected is None or caught_up is None or place in seen:
                        seen.add(place)
                        continue
                    seen.add(place)
                    since = max(ack.at, caught_up)
                    if record.at > _deadline(since, faults):
                        resumed = ResumeEnded(
                            record.client, record.person, connected.connection, {}, at=caught_up
                        )
                        yield Violation(
                            "late",
                            f"{record.client} was given {record.seq} of {record.conversation}"
                            f" {record.at - since:.0f} s after it was acknowledged",
                            (ack, connected, resumed, record),
                        )
                case _:
                    pass


def _acknowledgements(history: History) -> dict[tuple[str, int], Answered]:
    acks: dict[tuple[str, int], Answered] = {}
    for answers in history.answered.values():
        for one in answers:
            if one.outcome is Outcome.ACKNOWLEDGED and one.seq is not None:
                acks.setdefault((one.conversation, one.seq), one)
    return acks


def _faults(history: History) -> list[Fault]:
    """When each began and ended, by their beginnings."""
    ends = {one.number: one.at for one in history if isinstance(one, FaultEnded)}
    return [
        (one.at, ends.get(one.number, float("inf")))
        for one in history
        if isinstance(one, FaultBegan)
    ]


def _deadline(since: float, faults: list[Fault]) -> float:
    """Faults that come before the deadline put it off."""
    deadline = since + CALM_SECONDS
    for began, ended in faults:
        # What was hurt takes some time to work again.
        if began < deadline and ended + TROUBLED_SECONDS > since:
            deadline = max(deadline, ended + TROUBLED_SECONDS)
    return deadline
