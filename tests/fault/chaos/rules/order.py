"""Everybody sees the log's order, and the log keeps the order in which each client sent."""

from collections.abc import Iterator

from tests.fault.chaos.history import (
    Answered,
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
    once, from what was on its way already to what was missed; what it sent may come again after it.
    The first entries of a conversation come as they please, until one follows another.
    """
    for records in history.clients.values():
        seen = _Seen()
        for record in records:
            match record:
                case Connected():
                    seen = _Seen()
                case ResumeAsked():
                    seen.went_back = set()
                case ResumeEnded():
                    seen.went_back = None
                case Answered(outcome=Outcome.ACKNOWLEDGED):
                    seen.follow(record.conversation, record.seq or 0, record)
                case Saw():
                    before = seen.last.get(record.conversation)
                    if before is not None and seen.is_disorder(before, record):
                        yield Violation(
                            "disordered",
                            f"{record.client} was given {record.seq} after {before.seq}",
                            (*seen.runs[record.conversation], before, record),
                        )
                    seen.add(record)
                case _:
                    pass


class _Seen:
    """What one connection was given. `went_back` are conversations of the resume under way, None
    where there is none; `runs` are the first two positions of each that followed each other."""

    def __init__(self) -> None:
        self.last: dict[str, Saw] = {}
        self.runs: dict[str, tuple[AnyRecord, AnyRecord]] = {}
        self.went_back: set[str] | None = None
        self._resumed: dict[str, int] = {}
        self._newest: dict[str, tuple[int, AnyRecord]] = {}

    def is_disorder(self, before: Saw, record: Saw) -> bool:
        conversation, seq = record.conversation, record.seq
        if seq >= before.seq or conversation not in self.runs:
            return False
        if self.went_back is None:
            return seq > self._resumed.get(conversation, 0)
        if conversation in self.went_back:
            return True
        self.went_back.add(conversation)
        return False

    def add(self, record: Saw) -> None:
        conversation, seq = record.conversation, record.seq
        self.follow(conversation, seq, record)
        self.last[conversation] = record
        if self.went_back is not None:
            self._resumed[conversation] = max(seq, self._resumed.get(conversation, 0))

    def follow(self, conversation: str, seq: int, record: AnyRecord) -> None:
        newest, one = self._newest.get(conversation, (0, record))
        if seq == newest + 1 and newest:
            self.runs.setdefault(conversation, (one, record))
        self._newest[conversation] = (seq, record)


def reordered(history: History) -> Iterator[Violation]:
    """One client's messages of a conversation have not the order in which it sent them, whatever
    was refused for now and sent again."""
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
            else:
                ahead = message
