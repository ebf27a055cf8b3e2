"""The rules, on forged histories: a good one passes, each bad one is caught by the rule that is
meant for it, and what a rule shows as evidence is enough for it to find the same again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.fault.chaos.forge import (
    ANN,
    BOB,
    EVE,
    MESSAGES,
    PHONE,
    SAID,
    TABLET,
    TALK,
    good,
    spoiled,
)
from tests.fault.chaos.history import (
    Answered,
    AnyRecord,
    FaultBegan,
    FaultEnded,
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
    ResyncTold,
    Saw,
    SawMarker,
    SawTyping,
    Settled,
    Trespassed,
)
from tests.fault.chaos.rules import RULES, check

Change = Callable[[list[AnyRecord]], None]


def edit_logs(change: Callable[[tuple[LogEntry, ...]], tuple[LogEntry, ...]]) -> Change:
    """The same in every reading of the log."""

    def apply(records: list[AnyRecord]) -> None:
        for place, record in enumerate(records):
            if isinstance(record, LogRead):
                records[place] = replace(record, entries=change(record.entries))

    return apply


def edit_first(
    kind: type[AnyRecord], change: Callable[[AnyRecord], AnyRecord], **where: object
) -> Change:
    """The first record of this kind that has these fields."""

    def apply(records: list[AnyRecord]) -> None:
        for place, record in enumerate(records):
            if isinstance(record, kind) and all(
                getattr(record, name) == value for name, value in where.items()
            ):
                records[place] = change(record)
                return
        raise AssertionError("there is no such record")

    return apply


def remove(kind: type[Any], **where: object) -> Change:
    def apply(records: list[AnyRecord]) -> None:
        before = len(records)
        records[:] = [
            one
            for one in records
            if not (
                isinstance(one, kind)
                and all(getattr(one, name) == value for name, value in where.items())
            )
        ]
        assert len(records) < before

    return apply


def both(*changes: Change) -> Change:
    def apply(records: list[AnyRecord]) -> None:
        for change in changes:
            change(records)

    return apply


def add(*more: AnyRecord) -> Change:
    return lambda records: records.extend(more)


def without(seq: int) -> Callable[[tuple[LogEntry, ...]], tuple[LogEntry, ...]]:
    return lambda entries: tuple(one for one in entries if one.seq != seq)


def changed(which: int, /, **fields: Any) -> Callable[[tuple[LogEntry, ...]], tuple[LogEntry, ...]]:
    return lambda entries: tuple(
        replace(one, **fields) if one.seq == which else one for one in entries
    )


def saw(seq: int, at: float, **fields: Any) -> Saw:
    entry = SAID[seq - 1]
    seen = Saw(
        PHONE,
        ANN,
        1,
        TALK.id,
        seq,
        entry.id,
        entry.sender,
        entry.kind,
        entry.text,
        entry.message,
        at=at,
    )
    return replace(seen, **fields)


FORGED: dict[str, tuple[str, Change]] = {
    "an acknowledged message is not in the log": ("lost", edit_logs(without(6))),
    "an acknowledged deletion is not in the log": ("lost", edit_logs(without(5))),
    "the log has what nobody said": (
        "invented",
        edit_logs(lambda log: (*log, LogEntry(7, "mx", ANN, text="?"))),
    ),
    "the log has another text": ("invented", edit_logs(changed(2, text="too"))),
    "the log has another sender": ("invented", edit_logs(changed(2, sender=ANN))),
    "what was refused is stored": (
        "invented",
        edit_first(Answered, lambda one: replace(one, outcome=Outcome.REFUSED, seq=None), id="m4"),
    ),
    "an id is in the log twice": (
        "doubled",
        edit_logs(lambda log: (*log, replace(log[1], seq=7))),
    ),
    "a position is in the log twice": ("doubled", edit_logs(changed(6, seq=5))),
    "a connection is given an entry twice": ("doubled", add(saw(6, 7.5))),
    "an id is acknowledged at two positions": (
        "repositioned",
        edit_first(Answered, lambda one: replace(one, seq=4), id="m2", attempt=90),
    ),
    "an id is acknowledged where it is not": (
        "repositioned",
        edit_first(Answered, lambda one: replace(one, seq=7), id="m4"),
    ),
    "the log has a gap": ("gap", edit_logs(without(3))),
    "a device never got the last entry": ("gap", remove(Saw, client=PHONE, seq=6)),
    "a device says itself that it lacks something": (
        "gap",
        edit_first(Settled, lambda one: replace(one, cursors={TALK.id: 5}), client=PHONE),
    ),
    "a device never heard of a conversation": (
        "gap",
        edit_first(Settled, lambda one: replace(one, cursors={}), client=PHONE),
    ),
    "a complete resume left something out": ("gap", remove(Saw, client=TABLET, seq=3)),
    "something was skipped, and nobody said so": (
        "gap",
        both(
            remove(Saw, client=PHONE, seq=2),
            edit_first(Settled, lambda one: replace(one, at=60.0), client=PHONE),
        ),
    ),
    "a connected device gets an entry late": (
        "late",
        both(
            edit_first(Saw, lambda one: replace(one, at=20.0), client=PHONE, seq=6),
            edit_first(Settled, lambda one: replace(one, at=90.0), client=PHONE),
        ),
    ),
    "a connected device gets an entry long after the fault": (
        "late",
        both(
            add(FaultBegan(1, "kill chat", "chat-1", at=6.0), FaultEnded(1, at=9.0)),
            edit_first(Saw, lambda one: replace(one, at=60.0), client=PHONE, seq=6),
            edit_first(Settled, lambda one: replace(one, at=90.0), client=PHONE),
        ),
    ),
    "a connection is given an earlier entry after a later one": (
        "disordered",
        edit_first(Saw, lambda one: replace(one, at=6.9), client=PHONE, seq=2),
    ),
    "a resume is not in order": (
        "disordered",
        add(
            saw(2, 4.65, client=TABLET, person=BOB, connection=3),
            saw(1, 4.66, client=TABLET, person=BOB, connection=3),
        ),
    ),
    "a sender's messages change places": (
        "reordered",
        edit_first(Invoked, lambda one: replace(one, place=9), id="m1"),
    ),
    "a message that was refused for now is overtaken": (
        "reordered",
        both(
            edit_first(Invoked, lambda one: replace(one, place=8), id="m3"),
            edit_first(Invoked, lambda one: replace(one, place=9), id="m1"),
            edit_first(Invoked, lambda one: replace(one, place=7), id="d3"),
            add(
                Invoked(92, PHONE, ANN, "chat-1", TALK.id, "m3", text="three", place=8, at=2.7),
                Answered(92, PHONE, "m3", TALK.id, Outcome.UNKNOWN, None, "unavailable", at=2.8),
            ),
        ),
    ),
    "two readings of the log differ": (
        "differs",
        edit_first(
            LogRead, lambda one: replace(one, entries=changed(2, text="2")(SAID)), person=BOB
        ),
    ),
    "history lacks a message": (
        "differs",
        edit_first(HistoryRead, lambda one: replace(one, messages=MESSAGES[:-1])),
    ),
    "history has the text from before the edit": (
        "differs",
        edit_first(
            HistoryRead,
            lambda one: replace(one, messages=(Message(1, "m1", ANN, "one"), *MESSAGES[1:])),
        ),
    ),
    "history has a deleted text": (
        "differs",
        edit_first(
            HistoryRead,
            lambda one: replace(
                one, messages=(*MESSAGES[:2], Message(3, "m3", ANN, "three"), MESSAGES[3])
            ),
        ),
    ),
    "history is not in order": (
        "differs",
        edit_first(HistoryRead, lambda one: replace(one, messages=MESSAGES[::-1])),
    ),
    "a device was given another entry": (
        "differs",
        edit_first(Saw, lambda one: replace(one, id="mx"), client=PHONE, seq=2),
    ),
    "a device was given another text": (
        "differs",
        edit_first(Saw, lambda one: replace(one, text="mx"), client=PHONE, seq=2),
    ),
    "an edit did nothing": ("changes", edit_logs(changed(1, text="one"))),
    "a deleted text is still in the log": ("changes", edit_logs(changed(3, text="three"))),
    "a deleted message was edited": (
        "changes",
        edit_logs(lambda log: (*log, LogEntry(7, "e3", ANN, Kind.EDIT, None, "m3"))),
    ),
    "a marker goes back": (
        "markers",
        add(
            MarkersSeen(
                7.5, ANN, "chat-2", TALK.id, {ANN: Position(4, 4), BOB: Position(6, 6)}, at=7.6
            )
        ),
    ),
    "a mark is answered with less": (
        "markers",
        edit_first(MarkersSeen, lambda one: replace(one, marked=Position(4, 4)), person=ANN),
    ),
    "a marker is beyond the head": (
        "markers",
        edit_first(SawMarker, lambda one: replace(one, read=7)),
    ),
    "a sender's own marker stays behind": (
        "markers",
        edit_first(Listed, lambda one: replace(one, read=2, unread=1), person=ANN),
    ),
    "unread are too many": (
        "unread",
        edit_first(Listed, lambda one: replace(one, unread=2), person=ANN),
    ),
    "unread are too few": (
        "unread",
        edit_first(Listed, lambda one: replace(one, unread=0), person=ANN),
    ),
    "a list has another head": ("unread", edit_first(Listed, lambda one: replace(one, head=5))),
    "a list has another last message": (
        "unread",
        edit_first(Listed, lambda one: replace(one, last=MESSAGES[1])),
    ),
    "an outsider is given an entry": (
        "exposed",
        add(saw(6, 7.5, client="phone of eve", person=EVE, connection=9)),
    ),
    "an outsider is told of a marker": (
        "exposed",
        add(SawMarker("phone of eve", EVE, 9, TALK.id, ANN, 1, 1, at=7.5)),
    ),
    "an outsider is told that somebody types": (
        "exposed",
        add(SawTyping("phone of eve", EVE, 9, TALK.id, at=7.5)),
    ),
    "an outsider asks and gets something": (
        "exposed",
        edit_first(Trespassed, lambda one: replace(one, revealed="200: …")),
    ),
    "an outsider's list has a conversation of others": (
        "exposed",
        edit_first(Listed, lambda one: replace(one, person=EVE)),
    ),
}


def test_a_good_history_passes() -> None:
    assert check(History(good())) == []


def test_every_rule_has_a_forged_history() -> None:
    assert {rule for rule, _ in FORGED.values()} == set(RULES)


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_history_is_caught_by_its_rule(name: str) -> None:
    rule, change = FORGED[name]
    found = list(RULES[rule](spoiled(change)))
    assert found
    for violation in found:
        assert violation.rule == rule
        assert list(RULES[rule](History(violation.evidence))), violation
        assert len(violation.evidence) <= 8


TOLERATED: dict[str, Change] = {
    "an unknown outcome was stored": edit_logs(
        lambda log: (*log, LogEntry(7, "m9", BOB, text="never heard of"))
    ),
    "what was skipped was announced": both(
        remove(Saw, client=PHONE, seq=2),
        add(ResyncTold(PHONE, ANN, 1, at=6.9)),
        add(ResumeAsked(PHONE, ANN, 1, {TALK.id: 1}, at=6.9)),
        add(saw(2, 7.0), saw(6, 7.1)),
        add(ResumeEnded(PHONE, ANN, 1, {TALK.id: 6}, at=7.2)),
        edit_first(Settled, lambda one: replace(one, at=90.0), client=PHONE),
    ),
    "a fault came between": both(
        add(FaultBegan(1, "kill chat", "chat-1", at=6.0), FaultEnded(1, at=9.0)),
        edit_first(Saw, lambda one: replace(one, at=30.0), client=PHONE, seq=6),
        edit_first(Settled, lambda one: replace(one, at=90.0), client=PHONE),
    ),
    "the first entries of a conversation come as they please": both(
        remove(Saw, client=PHONE),
        remove(Answered, client=PHONE),
        remove(Invoked, client=PHONE),
        add(saw(4, 6.2), saw(2, 6.3), saw(3, 6.4), saw(6, 6.5)),
    ),
    "what a resume sent comes once more": add(saw(4, 4.8, client=TABLET, person=BOB, connection=3)),
    "a resume begins before what was on its way already": add(
        saw(2, 4.55, client=TABLET, person=BOB, connection=3, text="two")
    ),
}


BESIDES: dict[str, set[str]] = {
    # Where only the log was forged, devices did not see what is in it.
    "an unknown outcome was stored": {"gap", "differs", "markers", "unread"},
    # Nobody is left who asked for these entries.
    "the first entries of a conversation come as they please": {"gap", "invented"},
}


@pytest.mark.parametrize("name", TOLERATED)
def test_what_was_never_promised_is_no_violation(name: str) -> None:
    found = {one.rule for one in check(spoiled(TOLERATED[name]))}
    assert found <= BESIDES.get(name, set())


ROWS = st.lists(st.integers(0, len(good()) - 1), min_size=1, max_size=3, unique=True)


@settings(deadline=None)
@given(ROWS)
def test_whatever_is_missing_the_evidence_alone_shows_it(rows: list[int]) -> None:
    records = [one for place, one in enumerate(good()) if place not in rows]
    for violation in check(History(records)):
        assert list(RULES[violation.rule](History(violation.evidence))), violation


def test_a_history_is_the_same_after_it_was_written_and_read(
    tmp_path: Path,
) -> None:
    history = History(good())
    path = tmp_path / "history.jsonl"
    history.write(path)
    assert History.load(path).records == history.records
    assert isinstance(history.records[0], Opened)
