"""What a rule says where it is broken."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from tests.fault.chaos.history import AnyRecord, LogEntry, LogRead


class Violation(Struct, frozen=True):
    """`evidence` is the shortest history that shows it: the same rule finds it in that alone."""

    rule: str
    says: str
    evidence: tuple[AnyRecord, ...]


def excerpt(log: LogRead, seqs: Iterable[int]) -> LogRead:
    """The log, with nothing but these positions."""
    wanted = set(seqs)
    return replace(log, entries=tuple(entry for entry in log.entries if entry.seq in wanted))


def at(log: LogRead, seq: int) -> LogEntry | None:
    """The entry at a position: at its index, unless the log itself is broken."""
    if 0 < seq <= len(log.entries) and log.entries[seq - 1].seq == seq:
        return log.entries[seq - 1]
    return next((entry for entry in log.entries if entry.seq == seq), None)
