"""Every entry has one position, and every device gets each once and none is missing."""

from collections.abc import Iterator

from tests.fault.chaos.history import (
    Answered,
    AnyRecord,
    Connected,
    Disconnected,
    History,
    LogEntry,
    Opened,
    Outcome,
    ResumeAsked,
    ResumeEnded,
    ResyncTold,
    Saw,
    Settled,
)
from tests.fault.chaos.rules.violation import Violation, excerpt

NEW_SECONDS = 2.0
"""A connected device has everything by then (promise 3)."""
RESYNC_PATIENCE_SECONDS = 30.0
"""A server that skipped entries says `resync`, within seconds: this long after, it did not."""


def doubled(history: History) -> Iterator[Violation]:
    """An id, or a position, is twice in the logs; or a connection was given an entry twice, other
    than by asking for it again."""
    for log in history.logs.values():
        ids: dict[str, int] = {}
        seqs: dict[int, str] = {}
        for entry in log.entries:
            if entry.id in ids or entry.seq in seqs:
                where = ids.get(entry.id, entry.seq)
                yield Violation(
                    "doubled",
                    f"{entry.id} at {entry.seq} is in the log at {where}, too, or shares it",
                    (excerpt(log, (where, entry.seq)),),
                )
            ids[entry.id] = entry.seq
            seqs[entry.seq] = entry.id
    for records in history.clients.values():
        yield from _delivered_twice(records)


def _delivered_twice(records: list[AnyRecord]) -> Iterator[Violation]:
    """What a resume sent may come again after it."""
    seen: dict[tuple[str, int], Saw] = {}
    resumed: set[tuple[str, int]] = set()
    resuming = False
    for record in records:
        match record:
            case Connected():
                seen.clear()
                resumed.clear()
                resuming = False
            case ResumeAsked():
                resuming = True
            case ResumeEnded():
                resuming = False
            case Saw():
                place = (record.conversation, record.seq)
                if resuming:
                    resumed.add(place)
                elif place in seen and place not in resumed:
                    yield Violation(
                        "doubled",
                        f"{record.client} was given {record.seq} twice on one connection",
                        (seen[place], record),
                    )
                seen[place] = record
            case _:
                pass


def repositioned(history: History) -> Iterator[Violation]:
    """The same id was answered with two positions, or with another than the log has."""
    for id, answers in history.answered.items():
        acks = [one for one in answers if one.outcome is Outcome.ACKNOWLEDGED]
        for ack in acks[1:]:
            if (ack.conversation, ack.seq) != (acks[0].conversation, acks[0].seq):
                yield Violation(
                    "repositioned",
                    f"{id} was acknowledged at {acks[0].seq} and at {ack.seq}",
                    (*history.invoked.get(id, ()), acks[0], ack),
                )
    for log in history.logs.values():
        for entry in log.entries:
            for ack in history.answered.get(entry.id, ()):
                if ack.outcome is Outcome.ACKNOWLEDGED and ack.seq != entry.seq:
                    yield Violation(
                        "repositioned",
                        f"{entry.id} was acknowledged at {ack.seq} and is at {entry.seq}",
                        (ack, excerpt(log, (entry.seq,))),
                    )


def gap(history: History) -> Iterator[Violation]:
    """A number is missing: in a log, after a resume that said to be complete, in what came live,
    or in a device's view when all is well again."""
    for log in history.logs.values():
        for expected, entry in enumerate(log.entries, 1):
            if entry.seq > expected:
                around = excerpt(log, (expected - 1, entry.seq))
                yield Violation("gap", f"the log has no {expected}", (around,))
                break
    for records in history.clients.values():
        yield from _View(history).follow(records)


class _View:
    """What one device has, by the rules that a client goes by."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._have: dict[str, set[int]] = {}
        self._cursors: dict[str, int] = {}
        self._ahead: dict[str, Saw] = {}
        self._asked: ResumeAsked | None = None

    def follow(self, records: list[AnyRecord]) -> Iterator[Violation]:
        for record in records:
            match record:
                case Connected():
                    self._asked = None
                case ResumeAsked():
                    self._asked = record
                case ResyncTold() | Disconnected():
                    yield from self._overdue(record.at)
                    self._ahead.clear()
                case ResumeEnded():
                    yield from self._after_resume(record)
                    self._asked = None
                case Answered(outcome=Outcome.ACKNOWLEDGED):
                    self._have.setdefault(record.conversation, set()).add(record.seq or 0)
                case Saw():
                    self._saw(record)
                case Settled():
                    yield from self._overdue(record.at)
                    yield from self._at_the_end(record)
                case _:
                    pass

    def _saw(self, record: Saw) -> None:
        conversation = record.conversation
        self._have.setdefault(conversation, set()).add(record.seq)
        if record.seq > self._cursor(conversation) and self._asked is None:
            self._ahead.setdefault(conversation, record)

    def _cursor(self, conversation: str) -> int:
        have = self._have.get(conversation, set())
        cursor = self._cursors.get(conversation, 0)
        while cursor + 1 in have:
            cursor += 1
        self._cursors[conversation] = cursor
        return cursor

    def _overdue(self, now: float) -> Iterator[Violation]:
        for conversation, record in self._ahead.items():
            if now - record.at > RESYNC_PATIENCE_SECONDS:
                yield Violation(
                    "gap",
                    f"{record.client} was given {record.seq} of {conversation}, not what is"
                    " before it, and was not told to resume",
                    (record, Settled(record.client, record.person, {}, at=now)),
                )

    def _after_resume(self, record: ResumeEnded) -> Iterator[Violation]:
        for conversation, head in record.complete.items():
            cursor = self._cursor(conversation)
            if cursor < head:
                asked = () if self._asked is None else (self._asked,)
                yield Violation(
                    "gap",
                    f"{record.client} resumed up to {head} of {conversation} and has no"
                    f" {cursor + 1}",
                    (*asked, record),
                )

    def _is_new(self, entry: LogEntry, now: float) -> bool:
        """Whether nobody could have it yet: it was acknowledged just before `now`."""
        acks = [
            one.at
            for one in self._history.answered.get(entry.id, ())
            if one.outcome is Outcome.ACKNOWLEDGED
        ]
        return bool(acks) and min(acks) > now - NEW_SECONDS

    def _at_the_end(self, record: Settled) -> Iterator[Violation]:
        for conversation, log in self._history.logs.items():
            if record.person not in self._history.participants.get(conversation, ()):
                continue
            cursor = min(record.cursors.get(conversation, 0), self._cursor(conversation))
            missing = [
                entry.seq
                for entry in log.entries
                if entry.seq > cursor and not self._is_new(entry, record.at)
            ]
            if missing:
                yield Violation(
                    "gap",
                    f"{record.client} never got {missing[0]} of {conversation}",
                    (
                        Opened(conversation, self._history.participants[conversation], at=0.0),
                        record,
                        excerpt(log, missing[:1]),
                    ),
                )
