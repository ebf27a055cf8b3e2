"""Everybody sees the log's order, and the log keeps the order in which each client sent."""

from collections.abc import Iterator

from tests.fault.chaos.history import (
    LOST_CONNECTION,
    AnyRecord,
    Connected,
    History,
    Invoked,
    Kind,
    Outcome,
    ResumeAsked,
    ResumeEnded,
    Saw,
)
from tests.fault.chaos.rules.violation import Violation


def disordered(history: History) -> Iterator[Violation]:
    """A connection was given an entry after a later one.

    A resume begins anew after its cursors: while one is under way, each conversation may go back
    once, from what was on its way already to what was missed.
    """
    for records in history.clients.values():
        last: dict[str, Saw] = {}
        went_back: set[str] | None = None  # None where no resume is under way
        for record in records:
            match record:
                case Connected():
                    last.clear()
                    went_back = None
                case ResumeAsked():
                    went_back = set()
                case ResumeEnded():
                    went_back = None
                case Saw():
                    before = last.get(record.conversation)
                    if before is None or record.seq >= before.seq:
                        pass
                    elif went_back is not None and record.conversation not in went_back:
                        went_back.add(record.conversation)
                    else:
                        yield Violation(
                            "disordered",
                            f"{record.client} was given {record.seq} after {before.seq}",
                            (before, record),
                        )
                    last[record.conversation] = record
                case _:
                    pass


def reordered(history: History) -> Iterator[Violation]:
    """One client's messages of a conversation have not the order in which it sent them.

    A message that was refused once comes later by its nature, so nothing has to come after it.
    """
    said: dict[tuple[str, str], list[tuple[int, int, Invoked]]] = {}
    for id, attempts in history.invoked.items():
        first = attempts[0]
        answers = history.answered.get(id, ())
        seqs = [one.seq for one in answers if one.outcome is Outcome.ACKNOWLEDGED]
        if first.place is None or first.kind is not Kind.MESSAGE or not seqs or seqs[0] is None:
            continue
        said.setdefault((first.client, first.conversation), []).append(
            (first.place, seqs[0], first)
        )
    for (client, conversation), messages in said.items():
        messages.sort(key=lambda one: one[0])
        ahead: tuple[int, int, Invoked] | None = None
        for message in messages:
            if ahead is not None and message[1] < ahead[1]:
                ids = (ahead[2].id, message[2].id)
                evidence: list[AnyRecord] = []
                for id in ids:
                    evidence += history.invoked[id]
                    evidence += history.answered[id]
                yield Violation(
                    "reordered",
                    f"{client} sent {ids[0]} (at {ahead[1]}) before {ids[1]} (at {message[1]})"
                    f" in {conversation}",
                    tuple(evidence),
                )
            elif not _refused_once(history, message[2].id):
                ahead = message


def _refused_once(history: History, id: str) -> bool:
    return any(one.code not in ("", LOST_CONNECTION) for one in history.answered[id])
