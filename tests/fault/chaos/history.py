"""What happened, as clients saw it from outside: the only thing that the rules look at.

Times are seconds since the history began. A record is written when the client knows it: an
operation when it is sent, its outcome when it is known, an event when it came. It must never know
the services.
"""

import time
from collections.abc import Iterable, Iterator
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

LOST_CONNECTION = "connection lost"
"""The `code` of an attempt whose answer the end of its connection took away."""


class Kind(Enum):
    MESSAGE = "message"
    EDIT = "edit"
    DELETE = "delete"


class Outcome(Enum):
    """`UNKNOWN`: stored once or never; a timeout, a lost connection, or an error that may be
    retried. `REFUSED`: never stored."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Record(Struct, frozen=True, tag=True, gc=False, kw_only=True, omit_defaults=True):
    at: float


class Opened(Record, frozen=True):
    """Who takes part in a conversation: nobody else may ever hear of it."""

    conversation: str
    participants: tuple[str, str]


class Invoked(Record, frozen=True):
    """An entry was asked for, for the first time or again. `message` is what a change is about.

    `place` counts what `client` said first of all, so that its order can be checked; None where no
    order is promised.
    """

    attempt: int
    client: str
    person: str
    instance: str
    conversation: str
    id: str
    kind: Kind = Kind.MESSAGE
    text: str | None = None
    message: str | None = None
    place: int | None = None


class Answered(Record, frozen=True):
    """How an attempt ended; `code` says why it was not acknowledged."""

    attempt: int
    client: str
    id: str
    conversation: str
    outcome: Outcome
    seq: int | None = None
    code: str = ""


class OnConnection(Record, frozen=True):
    client: str
    person: str
    connection: int


class Connected(OnConnection, frozen=True):
    instance: str


class Disconnected(OnConnection, frozen=True):
    code: int


class ResumeAsked(OnConnection, frozen=True):
    """`cursors`: up to where the device has everything."""

    cursors: dict[str, int]


class ResumeEnded(OnConnection, frozen=True):
    """`complete` are the heads up to which the device now has everything; `failed` where an error
    was the answer."""

    complete: dict[str, int]
    failed: bool = False


class ResyncTold(OnConnection, frozen=True):
    pass


class Saw(OnConnection, frozen=True):
    """An entry of the log came. `text` is None where the message is deleted."""

    conversation: str
    seq: int
    id: str
    sender: str
    kind: Kind = Kind.MESSAGE
    text: str | None = None
    message: str | None = None


class SawMarker(OnConnection, frozen=True):
    conversation: str
    employee: str
    received: int
    read: int


class SawTyping(OnConnection, frozen=True):
    conversation: str


class Settled(Record, frozen=True):
    """Long after everything is well again: up to where a connected device has everything."""

    client: str
    person: str
    cursors: dict[str, int]


class Position(Struct, frozen=True, gc=False):
    received: int
    read: int


class MarkersSeen(Record, frozen=True):
    """A REST answer told where the participants are. It was asked for at `asked_at`; where it
    answers a mark of `person`, `marked` is what was asked for."""

    asked_at: float
    person: str
    instance: str
    conversation: str
    markers: dict[str, Position]
    marked: Position | None = None


class LogEntry(Struct, frozen=True, gc=False):
    seq: int
    id: str
    sender: str
    kind: Kind = Kind.MESSAGE
    text: str | None = None
    message: str | None = None


class LogRead(Record, frozen=True):
    """A whole conversation, by a resume from 0 when everything was over."""

    person: str
    instance: str
    conversation: str
    entries: tuple[LogEntry, ...]


class Message(Struct, frozen=True, gc=False):
    """A message in its present state; a deleted one has no text."""

    seq: int
    id: str
    sender: str
    text: str | None


class HistoryRead(Record, frozen=True):
    """A whole conversation, as REST history when everything was over."""

    person: str
    instance: str
    conversation: str
    messages: tuple[Message, ...]


class Listed(Record, frozen=True):
    """A row of a conversation list when everything was over; `read` is the reader's own marker."""

    person: str
    instance: str
    conversation: str
    head: int
    unread: int
    read: int
    last: Message | None


class Trespassed(Record, frozen=True):
    """An outsider tried something with other people's conversation; `revealed` is what it got."""

    person: str
    instance: str
    conversation: str
    what: str
    revealed: str


class FaultBegan(Record, frozen=True):
    number: int
    kind: str
    target: str
    instances: tuple[str, ...] = ()
    """Chat instances that cannot be expected to work before its end."""


class FaultEnded(Record, frozen=True):
    number: int
    error: str = ""


AnyRecord = (
    Opened
    | Invoked
    | Answered
    | Connected
    | Disconnected
    | ResumeAsked
    | ResumeEnded
    | ResyncTold
    | Saw
    | SawMarker
    | SawTyping
    | Settled
    | MarkersSeen
    | LogRead
    | HistoryRead
    | Listed
    | Trespassed
    | FaultBegan
    | FaultEnded
)


R = TypeVar("R", Invoked, Answered)


class History:
    """The records in the order of their times, and what rules ask of them."""

    def __init__(self, records: Iterable[AnyRecord]) -> None:
        self.records = sorted(records, key=lambda record: record.at)

    def __iter__(self) -> Iterator[AnyRecord]:
        return iter(self.records)

    @cached_property
    def participants(self) -> dict[str, tuple[str, str]]:
        return {
            one.conversation: one.participants for one in self.records if isinstance(one, Opened)
        }

    @cached_property
    def invoked(self) -> dict[str, list[Invoked]]:
        """All attempts of each id, in their order."""
        return _by_id(record for record in self.records if isinstance(record, Invoked))

    @cached_property
    def edits(self) -> dict[str, list[Invoked]]:
        """All attempts to edit each message."""
        edits: dict[str, list[Invoked]] = {}
        for record in self.records:
            if isinstance(record, Invoked) and record.kind is Kind.EDIT and record.message:
                edits.setdefault(record.message, []).append(record)
        return edits

    @cached_property
    def answered(self) -> dict[str, list[Answered]]:
        return _by_id(record for record in self.records if isinstance(record, Answered))

    @cached_property
    def logs(self) -> dict[str, LogRead]:
        """Each conversation's log as it was read first; later readings are compared with it."""
        logs: dict[str, LogRead] = {}
        for record in self.records:
            if isinstance(record, LogRead):
                logs.setdefault(record.conversation, record)
        return logs

    @cached_property
    def clients(self) -> dict[str, list[AnyRecord]]:
        """What each client did and saw, in its order."""
        clients: dict[str, list[AnyRecord]] = {}
        for record in self.records:
            client = getattr(record, "client", None)
            if client is not None:
                clients.setdefault(client, []).append(record)
        return clients

    def write(self, path: Path) -> None:
        """One JSON line for each record."""
        path.write_bytes(msgspec.json.Encoder().encode_lines(self.records))

    @classmethod
    def load(cls, path: Path) -> "History":
        return cls(msgspec.json.Decoder(AnyRecord).decode_lines(path.read_bytes()))


class Recorder:
    """Collects the records of a run."""

    def __init__(self) -> None:
        self.records: list[AnyRecord] = []
        self._began_at = time.monotonic()
        self._attempts = 0
        self._connections = 0

    def now(self) -> float:
        return self.time_of(time.monotonic())

    def time_of(self, moment: float) -> float:
        """The history's time of a moment of `time.monotonic`."""
        return moment - self._began_at

    def add(self, record: AnyRecord) -> None:
        self.records.append(record)

    def attempt(self) -> int:
        self._attempts += 1
        return self._attempts

    def connection(self) -> int:
        self._connections += 1
        return self._connections

    def history(self) -> History:
        return History(self.records)


def _by_id(records: Iterable[R]) -> dict[str, list[R]]:
    found: dict[str, list[R]] = {}
    for record in records:
        found.setdefault(record.id, []).append(record)
    return found
