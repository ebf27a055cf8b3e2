"""What became of everything: counted for the summary, and line by line in a file.

No text and no password is ever written here.
"""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import IO

import msgspec

from deploy.import_convos.reference import name


class Subject(StrEnum):
    EMPLOYEES = "employees"
    CONVERSATIONS = "conversations"
    MESSAGES = "messages"


class Outcome(StrEnum):
    IMPORTED = "imported"
    COMPLETED = "completed"
    """Conversations that had been begun, or that have grown since."""
    HERE = "already here"
    KEPT = "imported with a change"
    """Counted among the imported, too."""
    REFUSED = "refused"
    SKIPPED = "skipped"


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the file. `id` is the reference document; `position` the index in its `messages`;
    `messages` how many were left out with it."""

    subject: Subject
    outcome: Outcome
    id: str
    reason: str
    position: int | None = None
    messages: int | None = None
    detail: str | None = None


class Report:
    def __init__(self, file: IO[bytes] | None = None) -> None:
        self.counts: Counter[tuple[Subject, Outcome, str]] = Counter()
        self._file = file
        self._encoder = msgspec.json.Encoder()

    def count(self, subject: Subject, outcome: Outcome, number: int = 1, reason: str = "") -> None:
        """Without a line in the file."""
        if number:
            self.counts[subject, outcome, reason] += number

    def say(
        self,
        subject: Subject,
        outcome: Outcome,
        id: object,
        reason: str,
        *,
        position: int | None = None,
        messages: int | None = None,
        value: object = None,
    ) -> None:
        """Count, and write a line. `messages` are counted with the same outcome and reason."""
        self.count(subject, outcome, 1, reason)
        self.count(Subject.MESSAGES, outcome, messages or 0, f"in conversations: {reason}")
        if self._file is not None:
            detail = None if value is None else repr(value)[:100]
            line = Line(subject, outcome, name(id), reason, position, messages, detail)
            self._file.write(self._encoder.encode(line) + b"\n")

    def total(self, subject: Subject, outcome: Outcome) -> int:
        return sum(
            number
            for (about, what, _), number in self.counts.items()
            if (about, what) == (subject, outcome)
        )

    def summary(self) -> Iterator[str]:
        """Lines for people: totals, and below them the reasons."""
        for subject in Subject:
            yield f"{subject}:"
            for outcome in Outcome:
                total = self.total(subject, outcome)
                if total or outcome is Outcome.IMPORTED:
                    yield f"  {total:>12,} {outcome}"
                for reason, number in sorted(self._reasons(subject, outcome)):
                    yield f"  {number:>16,} {reason}"

    def _reasons(self, subject: Subject, outcome: Outcome) -> Iterator[tuple[str, int]]:
        for (about, what, reason), number in self.counts.items():
            if reason and (about, what) == (subject, outcome):
                yield reason, number
