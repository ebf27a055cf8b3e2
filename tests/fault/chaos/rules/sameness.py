"""Everybody has the same: devices, the log and REST history; and changes apply in their order."""

from collections.abc import Iterable, Iterator

from tests.fault.chaos.history import (
    AnyRecord,
    History,
    HistoryRead,
    Kind,
    LogEntry,
    LogRead,
    Message,
    Saw,
)
from tests.fault.chaos.rules.violation import Violation, at, excerpt


def differs(history: History) -> Iterator[Violation]:
    """What a device was given, or another reading of the log, or REST history, is not the log's."""
    for record in history:
        match record:
            case LogRead():
                log = history.logs[record.conversation]
                if record is not log and record.entries != log.entries:
                    seqs = _unlike(log.entries, record.entries)
                    yield Violation(
                        "differs",
                        f"{record.person} at {record.instance} has another log from {seqs[0]} on",
                        (excerpt(log, seqs[:1]), excerpt(record, seqs[:1])),
                    )
            case HistoryRead() if record.conversation in history.logs:
                yield from _unlike_history(history.logs[record.conversation], record)
            case Saw() if record.conversation in history.logs:
                yield from _unlike_seen(history, history.logs[record.conversation], record)
            case _:
                pass


def changes(history: History) -> Iterator[Violation]:
    """A text that its edits and its deletion, in the order of the log, do not lead to; or a change
    after a deletion; or something that a deleted message said, in the log."""
    for conversation, log in history.logs.items():
        deleted: dict[str, LogEntry] = {}
        texts = {entry.id: entry.text for entry in log.entries if entry.kind is Kind.MESSAGE}
        for entry in log.entries:
            if entry.message in deleted:
                yield Violation(
                    "changes",
                    f"{entry.message} of {conversation} was changed at {entry.seq}, after its"
                    f" deletion at {deleted[entry.message].seq}",
                    (excerpt(log, (deleted[entry.message].seq, entry.seq)),),
                )
            elif entry.kind is Kind.DELETE and entry.message is not None:
                deleted[entry.message] = entry
        last_edits = {
            entry.message: entry
            for entry in log.entries
            if entry.kind is Kind.EDIT and entry.message is not None
        }
        for entry in log.entries:
            deletion = deleted.get(entry.message or entry.id)
            if deletion is not None and entry.text is not None:
                yield Violation(
                    "changes",
                    f"{entry.seq} of {conversation} still has the text of {deletion.message},"
                    f" deleted at {deletion.seq}",
                    (excerpt(log, (entry.seq, deletion.seq)),),
                )
        for id, edit in last_edits.items():
            if id in texts and id not in deleted and texts[id] != edit.text:
                about = [one.seq for one in log.entries if id in (one.id, one.message)]
                yield Violation(
                    "changes",
                    f"{id} of {conversation} says {texts[id]!r} after it was edited, at"
                    f" {edit.seq}, to {edit.text!r}",
                    (excerpt(log, about),),
                )


def present_state(entries: Iterable[LogEntry]) -> dict[str, Message]:
    """The messages after all that is in the log, by id, in its order."""
    messages: dict[str, Message] = {}
    for entry in entries:
        if entry.kind is Kind.MESSAGE:
            messages[entry.id] = Message(entry.seq, entry.id, entry.sender, entry.text)
        elif entry.message in messages:
            old = messages[entry.message]
            text = entry.text if entry.kind is Kind.EDIT else None
            messages[entry.message] = Message(old.seq, old.id, old.sender, text)
    return messages


def _unlike_seen(history: History, log: LogRead, seen: Saw) -> Iterator[Violation]:
    entry = at(log, seen.seq)
    if entry is None or _identity(entry) != _identity(seen):
        yield Violation(
            "differs",
            f"{seen.client} was given {seen.id} at {seen.seq}, where the log has"
            f" {entry.id if entry else 'nothing'}",
            (seen, excerpt(log, (seen.seq,))),
        )
        return
    # A text may be of any moment: as it was sent, as it was edited to, or gone.
    asked = [*history.invoked.get(seen.id, ())]
    if seen.kind is Kind.MESSAGE:
        asked += history.edits.get(seen.id, ())
    if asked and seen.text is not None and all(one.text != seen.text for one in asked):
        yield Violation(
            "differs",
            f"{seen.client} was given {seen.text!r} at {seen.seq}, which nobody said there",
            (*asked, seen, excerpt(log, (seen.seq,))),
        )


def _unlike_history(log: LogRead, read: HistoryRead) -> Iterator[Violation]:
    expected = {message.seq: message for message in present_state(log.entries).values()}
    found = {message.seq: message for message in read.messages}
    in_order = [message.seq for message in read.messages]
    wrong = [
        seq for seq in sorted(expected.keys() | found.keys()) if expected.get(seq) != found.get(seq)
    ]
    if not wrong and in_order == sorted(set(in_order)):
        return
    seq = wrong[0] if wrong else in_order[0]
    id = expected[seq].id if seq in expected else None
    about = [one.seq for one in log.entries if id is not None and id in (one.id, one.message)]
    shown: tuple[AnyRecord, ...] = (excerpt(log, about), _only(read, seq if wrong else None))
    yield Violation(
        "differs",
        f"REST history of {read.conversation}, read by {read.person} at {read.instance}, has"
        f" {found.get(seq)} where the log leads to {expected.get(seq)}",
        shown,
    )


def _only(read: HistoryRead, seq: int | None) -> HistoryRead:
    messages = tuple(one for one in read.messages if seq is None or one.seq == seq)
    return HistoryRead(read.person, read.instance, read.conversation, messages, at=read.at)


def _unlike(one: Iterable[LogEntry], other: Iterable[LogEntry]) -> list[int]:
    ones, others = {entry.seq: entry for entry in one}, {entry.seq: entry for entry in other}
    return [
        seq for seq in sorted(ones.keys() | others.keys()) if ones.get(seq) != others.get(seq)
    ] or [0]


def _identity(one: LogEntry | Saw) -> tuple[object, ...]:
    return (one.id, one.sender, one.kind, one.message)
