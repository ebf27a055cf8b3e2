"""What was acknowledged is in the log, and what is in the log was asked for."""

from collections.abc import Iterator

from tests.fault.chaos.history import AnyRecord, History, Kind, LogEntry, LogRead, Outcome
from tests.fault.chaos.rules.violation import Violation, excerpt


def lost(history: History) -> Iterator[Violation]:
    """An acknowledged entry that is not in its conversation's log."""
    present = {
        (conversation, entry.id)
        for conversation, log in history.logs.items()
        for entry in log.entries
    }
    for id, answers in history.answered.items():
        for answer in answers:
            log = history.logs.get(answer.conversation)
            if answer.outcome is not Outcome.ACKNOWLEDGED or log is None:
                continue
            if (answer.conversation, id) not in present:
                around = excerpt(log, (answer.seq or 0,))
                yield Violation(
                    "lost",
                    f"{id} was acknowledged at {answer.seq} and is not in the log",
                    (*history.invoked.get(id, ()), answer, around),
                )
                break


def invented(history: History) -> Iterator[Violation]:
    """An entry of the log that nobody asked for, that was refused for good, or whose content is
    not what was asked for."""
    for log in history.logs.values():
        gone = {entry.message for entry in log.entries if entry.kind is Kind.DELETE}
        edited = {entry.message for entry in log.entries if entry.kind is Kind.EDIT}
        for entry in log.entries:
            says = _objection(history, log, entry, gone, edited)
            if says is not None:
                about = [
                    other.seq
                    for other in log.entries
                    if other is entry or other.message in (entry.id, entry.message or entry.id)
                ]
                records: tuple[AnyRecord, ...] = (
                    *history.invoked.get(entry.id, ()),
                    *history.answered.get(entry.id, ()),
                    excerpt(log, about),
                )
                yield Violation("invented", f"{entry.id} at {entry.seq} {says}", records)


def _objection(
    history: History, log: LogRead, entry: LogEntry, gone: set[str | None], edited: set[str | None]
) -> str | None:
    asked = history.invoked.get(entry.id)
    if not asked:
        return "was asked for by nobody"
    answers = history.answered.get(entry.id, ())
    refusals = [one.code for one in answers if one.outcome is Outcome.REFUSED]
    if len(refusals) == len(asked):
        return f"was refused ({refusals[0]}) and is in the log"
    wanted = asked[0]
    if (wanted.conversation, wanted.person, wanted.kind, wanted.message) != (
        log.conversation,
        entry.sender,
        entry.kind,
        entry.message,
    ):
        return "is not what was asked for"
    # A message is read in its present state: one that was changed says nothing of what it was.
    about = entry.message or entry.id
    if about in gone or (entry.kind is Kind.MESSAGE and about in edited):
        return None
    if entry.text != wanted.text:
        return f"says {entry.text!r} where {wanted.text!r} was asked for"
    return None
