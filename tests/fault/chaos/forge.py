"""A history in which everything went well, for tests of the rules to spoil."""

from collections.abc import Callable

from msgspec.structs import replace

from chat_service.log.conversation import between
from tests.fault.chaos.history import (
    Answered,
    AnyRecord,
    Connected,
    Disconnected,
    History,
    HistoryRead,
    Invoked,
    Kind,
    Listed,
    LogEntry,
    LogRead,
    MarkersSeen,
    Message,
    Opened,
    Outcome,
    Position,
    ResumeAsked,
    ResumeEnded,
    Saw,
    SawMarker,
    Settled,
    Trespassed,
)

ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@example.org"
TALK = between(ANN, BOB)
PHONE, TABLET = "phone of ann", "tablet of bob"

SAID = (
    LogEntry(1, "m1", ANN, Kind.MESSAGE, "one, corrected"),
    LogEntry(2, "m2", BOB, Kind.MESSAGE, "two"),
    LogEntry(3, "m3", ANN, Kind.MESSAGE, None),
    LogEntry(4, "e1", ANN, Kind.EDIT, "one, corrected", "m1"),
    LogEntry(5, "d3", ANN, Kind.DELETE, None, "m3"),
    LogEntry(6, "m4", BOB, Kind.MESSAGE, "four"),
)
ORIGINALS = {"m1": "one", "m3": "three"}
MESSAGES = (
    Message(1, "m1", ANN, "one, corrected"),
    Message(2, "m2", BOB, "two"),
    Message(3, "m3", ANN, None),
    Message(6, "m4", BOB, "four"),
)


def good() -> list[AnyRecord]:
    """Two people talk, one of them away for a while; an edit, a deletion, markers, a repeat, a send
    of which nobody ever knew, and an outsider who gets nothing."""
    records: list[AnyRecord] = [
        Opened(TALK.id, TALK.participants, at=0.0),
        Connected(PHONE, ANN, 1, "chat-1", at=0.1),
        ResumeAsked(PHONE, ANN, 1, {}, at=0.1),
        ResumeEnded(PHONE, ANN, 1, {}, at=0.2),
        Connected(TABLET, BOB, 2, "chat-2", at=0.1),
        ResumeAsked(TABLET, BOB, 2, {}, at=0.1),
        ResumeEnded(TABLET, BOB, 2, {}, at=0.2),
    ]
    places = {ANN: 0, BOB: 0}
    for entry in SAID:
        now = float(entry.seq)
        places[entry.sender] += 1
        mine, theirs = (PHONE, TABLET) if entry.sender == ANN else (TABLET, PHONE)
        text = ORIGINALS.get(entry.id, entry.text)
        records += [
            _invoked(entry, mine, entry.seq, text, places[entry.sender], now),
            _acknowledged(entry, mine, entry.seq, now + 0.1),
        ]
        if theirs == TABLET and entry.seq in (3, 4):
            continue  # it was away, see below
        records.append(_saw(entry, theirs, text, now + 0.2))
    records += [
        Disconnected(TABLET, BOB, 2, 1006, at=2.5),
        Connected(TABLET, BOB, 3, "chat-3", at=4.5),
        ResumeAsked(TABLET, BOB, 3, {TALK.id: 2}, at=4.5),
        replace(_saw(SAID[2], TABLET, "three", 4.6), connection=3),
        replace(_saw(SAID[3], TABLET, "one, corrected", 4.61), connection=3),
        ResumeEnded(TABLET, BOB, 3, {TALK.id: 4}, at=4.7),
        _invoked(SAID[1], "visitor bob", 90, "two", None, 6.4),
        _acknowledged(SAID[1], "visitor bob", 90, 6.5),
        Invoked(91, TABLET, BOB, "chat-3", TALK.id, "m9", text="never heard of", at=6.6),
        Answered(91, TABLET, "m9", TALK.id, Outcome.UNKNOWN, None, "unavailable", at=6.7),
        _markers(6.8, 6.9, ANN, 3, 6),
        SawMarker(TABLET, BOB, 3, TALK.id, ANN, 5, 5, at=7.0),
        _markers(7.1, 7.2, BOB, 5, 6),
        Trespassed(EVE, "chat-1", TALK.id, "POST /messages", "", at=7.3),
        Settled(PHONE, ANN, {TALK.id: 6}, at=8.5),
        Settled(TABLET, BOB, {TALK.id: 6}, at=8.5),
    ]
    for number, (reader, instance) in enumerate(((ANN, "chat-1"), (BOB, "chat-2"))):
        now = 9.0 + number
        own = {ANN: 3, BOB: 6}[reader]
        unread = {ANN: 1, BOB: 0}[reader]
        records += [
            LogRead(reader, instance, TALK.id, SAID, at=now),
            HistoryRead(reader, instance, TALK.id, MESSAGES, at=now + 0.1),
            Listed(reader, instance, TALK.id, 6, unread, own, MESSAGES[-1], at=now + 0.2),
        ]
    return [replace(one, connection=3) if _is_late(one) else one for one in records]


def spoiled(change: Callable[[list[AnyRecord]], None]) -> History:
    """The good history after `change`."""
    records = good()
    change(records)
    return History(records)


def _invoked(
    entry: LogEntry, client: str, attempt: int, text: str | None, place: int | None, at: float
) -> Invoked:
    return Invoked(
        attempt,
        client,
        entry.sender,
        "chat-1",
        TALK.id,
        entry.id,
        entry.kind,
        text,
        entry.message,
        place,
        at=at,
    )


def _acknowledged(entry: LogEntry, client: str, attempt: int, at: float) -> Answered:
    return Answered(attempt, client, entry.id, TALK.id, Outcome.ACKNOWLEDGED, entry.seq, at=at)


def _saw(entry: LogEntry, client: str, text: str | None, at: float) -> Saw:
    person, connection = (ANN, 1) if client == PHONE else (BOB, 2)
    return Saw(
        client,
        person,
        connection,
        TALK.id,
        entry.seq,
        entry.id,
        entry.sender,
        entry.kind,
        text,
        entry.message,
        at=at,
    )


def _markers(asked_at: float, at: float, reader: str, ann: int, bob: int) -> MarkersSeen:
    positions = {ANN: Position(ann, ann), BOB: Position(bob, bob)}
    return MarkersSeen(asked_at, reader, "chat-1", TALK.id, positions, at=at)


def _is_late(record: AnyRecord) -> bool:
    return isinstance(record, Saw) and record.client == TABLET and record.at > 4.5
