"""The messages of reference conversations as entries of ours, merged, and what is left out."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from itertools import chain
from typing import Any
from uuid import UUID, uuid5

from bson import ObjectId
from msgspec import Struct

from chat_service.log import Conversation
from deploy.import_convos.people import People
from deploy.import_convos.plan import Planned
from deploy.import_convos.reference import Reference, Row, name
from deploy.import_convos.report import Outcome, Report, Subject
from deploy.import_convos.timestamps import moment

NAMESPACE = UUID("5b0d6f0e-6a53-4a0b-9d3c-9a9a3f1f7c11")
"""Of the ids that imported messages have for ever: never to be changed."""


class Fault(StrEnum):
    """Why a message is not imported."""

    NO_DOCUMENT = "not a document"
    UNKNOWN_SENDER = "sender is no employee"
    FOREIGN_SENDER = "sender is not a participant"
    NO_TEXT = "text is no string"
    EMPTY = "text is empty"
    NUL = "text has a NUL character"
    TOO_LONG = "text is too long"


class Kept(StrEnum):
    """What was changed, or is unusual, in a message that is imported."""

    NO_TIME = "timestamp is missing: the previous message's was taken"
    BAD_TIME = "timestamp is unusable: the previous message's was taken"
    LONG = "text is longer than people may send now"


class Written(Struct, frozen=True, gc=False):
    """A message fit for import. `at` is in milliseconds since the epoch."""

    id: UUID
    sender: str
    text: str
    at: int


class Limits(Struct, frozen=True):
    """Characters of a text that people may send now, and of one that is imported; the latest time
    that is believed, in milliseconds since the epoch."""

    text: int
    imported_text: int
    latest: int


class Histories:
    """Reads histories; each row that passes is counted by `passed`, except when read again."""

    def __init__(
        self,
        reference: Reference,
        people: People,
        limits: Limits,
        report: Report,
        passed: Callable[[], None],
    ) -> None:
        self._reference = reference
        self._people = people
        self._limits = limits
        self._report = report
        self._passed = passed

    def read(
        self, lot: Sequence[Planned], *, again: bool = False
    ) -> Iterator[tuple[Planned, Iterator[Written]]]:
        """The history of each conversation of `lot`, in any order, to be taken one by one.

        The messages of a document keep their order. Those of several documents are merged by time,
        where a message counts as no earlier than those before it in its document; at equal times
        the earlier document goes first. `again` reports nothing.
        """
        single = {name(planned.sources[0]): planned for planned in lot if len(planned.sources) == 1}
        if single:
            ids = [planned.sources[0] for planned in single.values()]
            for id, rows in self._reference.messages(ids):
                planned = single[name(id)]
                yield planned, (entry for _, entry in self._entries(planned, id, rows, again))
        for planned in lot:
            if len(planned.sources) > 1:
                logs = [self._source(planned, id, again) for id in planned.sources]
                yield planned, (entry for _, entry in heapq.merge(*logs, key=lambda pair: pair[0]))

    def pass_over(self, planned: Planned) -> None:
        """Count the messages of a conversation whose history is not read."""
        for _ in range(planned.messages):
            self._passed()

    def _source(self, planned: Planned, id: Any, again: bool) -> Iterator[tuple[int, Written]]:
        rows = chain.from_iterable(rows for _, rows in self._reference.messages([id]))
        return self._entries(planned, id, rows, again)

    def _entries(
        self, planned: Planned, source: Any, rows: Iterator[Row], again: bool
    ) -> Iterator[tuple[int, Written]]:
        """The messages of one document, each with its place in time among those of others."""
        key = name(source)
        previous = _opened(source)
        place = 0
        for row in rows:
            if not again:
                self._passed()
            checked = self._check(planned.conversation, row.message)
            if isinstance(checked, Fault):
                if not again:
                    self._fault(source, row, checked)
                continue
            sender, text = checked
            value = row.message.get("timestamp")
            at = moment(value, self._limits.latest)
            if not again:
                self._unusual(source, row, value, at, text)
            if at is None:
                at = previous
            previous = at
            place = max(place, at)
            yield place, Written(uuid5(NAMESPACE, f"{key}:{row.position}"), sender, text, at)

    def _check(self, conversation: Conversation, message: Any) -> tuple[str, str] | Fault:
        if not isinstance(message, dict):
            return Fault.NO_DOCUMENT
        sender = self._people.address(message.get("sender"))
        if sender is None:
            return Fault.UNKNOWN_SENDER
        if sender not in conversation.participants:
            return Fault.FOREIGN_SENDER
        text = message.get("text")
        if not isinstance(text, str):
            return Fault.NO_TEXT
        if not text.strip():
            return Fault.EMPTY
        if "\x00" in text:
            return Fault.NUL
        if len(text) > self._limits.imported_text:
            return Fault.TOO_LONG
        return sender, text

    def _fault(self, source: Any, row: Row, fault: Fault) -> None:
        value = None
        if fault in (Fault.UNKNOWN_SENDER, Fault.FOREIGN_SENDER):
            value = row.message.get("sender")
        self._report.say(
            Subject.MESSAGES, Outcome.SKIPPED, source, fault, position=row.position, value=value
        )

    def _unusual(self, source: Any, row: Row, value: object, at: int | None, text: str) -> None:
        if value is None:
            self._report.count(Subject.MESSAGES, Outcome.KEPT, 1, Kept.NO_TIME)
        elif at is None:
            self._report.say(
                Subject.MESSAGES,
                Outcome.KEPT,
                source,
                Kept.BAD_TIME,
                position=row.position,
                value=value,
            )
        if len(text) > self._limits.text:
            self._report.say(
                Subject.MESSAGES, Outcome.KEPT, source, Kept.LONG, position=row.position
            )


def _opened(source: Any) -> int:
    """The time of a document's first message where it has none: that of the document."""
    return int(source.generation_time.timestamp() * 1000) if isinstance(source, ObjectId) else 0
