"""Markers only move forward, and unread counts follow from them."""

from collections.abc import Iterator

from tests.fault.chaos.history import (
    AnyRecord,
    History,
    Kind,
    Listed,
    LogRead,
    MarkersSeen,
    Position,
    SawMarker,
)
from tests.fault.chaos.rules.sameness import present_state
from tests.fault.chaos.rules.violation import Violation, excerpt

MOST_UNREAD = 100
"""Beyond it the service does not count."""


def markers(history: History) -> Iterator[Violation]:
    """A marker was told, and an answer to a later question has an earlier one; a mark was answered
    with less than was asked for; or a marker is beyond the head."""
    yield from _backwards(history)
    yield from _too_little(history)
    yield from _beyond_the_head(history)
    yield from _senders(history)


def unread(history: History) -> Iterator[Violation]:
    """A row of a conversation list is not what the log and the reader's marker lead to."""
    for record in history:
        if not isinstance(record, Listed) or record.conversation not in history.logs:
            continue
        log = history.logs[record.conversation]
        messages = list(present_state(log.entries).values())
        counted = [
            one
            for one in messages
            if one.sender != record.person and one.seq > record.read and one.text is not None
        ]
        expected = min(MOST_UNREAD, len(counted))
        head = max((entry.seq for entry in log.entries), default=0)
        last = messages[-1] if messages else None
        if record.unread != expected:
            yield Violation(
                "unread",
                f"{record.person} is told of {record.unread} unread in {record.conversation},"
                f" and after {record.read} there are {expected}",
                (record, excerpt(log, _unread_or_changed(log, record.read))),
            )
        elif (record.head, record.last) != (head, last):
            yield Violation(
                "unread",
                f"{record.person} is told that {record.conversation} ends at {record.head} with"
                f" {record.last}, and it ends at {head} with {last}",
                (record, excerpt(log, (head, *((last.seq,) if last else ())))),
            )


def _unread_or_changed(log: LogRead, read: int) -> list[int]:
    return [one.seq for one in log.entries if one.seq > read or one.kind is not Kind.MESSAGE]


def _backwards(history: History) -> Iterator[Violation]:
    """Over all readers and instances: an answer holds for every question asked after it."""
    seen: dict[str, list[MarkersSeen]] = {}
    for record in history:
        if isinstance(record, MarkersSeen):
            seen.setdefault(record.conversation, []).append(record)
    for records in seen.values():
        by_question = sorted(records, key=lambda one: one.asked_at)
        told = 0
        furthest: dict[str, tuple[Position, MarkersSeen]] = {}
        for record in by_question:
            while told < len(records) and records[told].at <= record.asked_at:
                for employee, position in records[told].markers.items():
                    known = furthest.get(employee)
                    if known is None or _behind(known[0], position):
                        furthest[employee] = (position, records[told])
                told += 1
            for employee, position in record.markers.items():
                if employee in furthest and _behind(position, furthest[employee][0]):
                    earlier = furthest[employee]
                    yield Violation(
                        "markers",
                        f"{employee} was at {earlier[0]} and is back at {position}",
                        (earlier[1], record),
                    )


def _too_little(history: History) -> Iterator[Violation]:
    for record in history:
        if isinstance(record, MarkersSeen) and record.marked is not None:
            position = record.markers.get(record.person)
            if position is None or _behind(position, record.marked):
                yield Violation(
                    "markers",
                    f"{record.person} marked {record.marked} and is told {position}",
                    (record,),
                )


def _beyond_the_head(history: History) -> Iterator[Violation]:
    for record in history:
        match record:
            case SawMarker():
                furthest = max(record.received, record.read)
            case MarkersSeen():
                furthest = max(
                    (max(one.received, one.read) for one in record.markers.values()), default=0
                )
            case _:
                continue
        log = history.logs.get(record.conversation)
        if log is not None and furthest > max((one.seq for one in log.entries), default=0):
            yield Violation(
                "markers",
                f"a marker of {record.conversation} is at {furthest}, beyond the head",
                (record, excerpt(log, (log.entries[-1].seq,) if log.entries else ())),
            )


def _senders(history: History) -> Iterator[Violation]:
    """Whoever sends has read what was before: in the end their marker is at their last message."""
    at_the_end: dict[tuple[str, str], tuple[int, AnyRecord]] = {}
    for record in history:
        if isinstance(record, Listed):
            at_the_end[record.conversation, record.person] = (record.read, record)
    for (conversation, person), (read, record) in at_the_end.items():
        log = history.logs.get(conversation)
        own = [
            entry.seq
            for entry in (log.entries if log else ())
            if entry.sender == person and entry.kind is Kind.MESSAGE
        ]
        if log is not None and own and read < own[-1]:
            yield Violation(
                "markers",
                f"{person} sent {own[-1]} of {conversation} and has read up to {read} only",
                (record, excerpt(log, own[-1:])),
            )


def _behind(one: Position, other: Position) -> bool:
    return one.received < other.received or one.read < other.read
