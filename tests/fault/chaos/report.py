"""What a run showed: as text for people, and as chaos.json for programs."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from msgspec import Struct

from tests.fault.chaos.history import Answered, FaultBegan, FaultEnded, ResumeEnded, ResyncTold, Saw
from tests.fault.chaos.recovery import Recovery, recoveries
from tests.fault.chaos.round import Round
from tests.fault.chaos.rules.violation import Violation

MOST_SHOWN = 3
"""Violations of a rule that are shown in full."""


class Report(Struct):
    """The sums over all rounds."""

    seed: str
    rounds: int = 0
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    failed_faults: list[str] = msgspec.field(default_factory=list)
    attempts: Counter[str] = msgspec.field(default_factory=Counter)
    entries: Counter[str] = msgspec.field(default_factory=Counter)
    seen: Counter[str] = msgspec.field(default_factory=Counter)
    closes: Counter[int] = msgspec.field(default_factory=Counter)
    recoveries: list[Recovery] = msgspec.field(default_factory=list)
    violations: list[Violation] = msgspec.field(default_factory=list)
    unavailable: dict[str, str] = msgspec.field(default_factory=dict)
    trouble: str = ""

    @property
    def passed(self) -> bool:
        return not self.violations and not self.trouble and not self.failed_faults

    def add(self, one: Round) -> None:
        self.rounds += 1
        self.violations += one.violations
        self.recoveries += recoveries(one.history)
        self.closes.update(one.closes)
        kinds = {fault.number: fault for fault in one.history if isinstance(fault, FaultBegan)}
        for record in one.history:
            match record:
                case FaultBegan():
                    self.faults[record.kind] += 1
                case FaultEnded(error=error) if error:
                    self.failed_faults.append(f"{kinds[record.number].kind}: {error}")
                case Answered():
                    self.attempts[record.outcome.value] += 1
                case Saw():
                    self.seen["entries delivered"] += 1
                case ResyncTold():
                    self.seen["resyncs"] += 1
                case ResumeEnded():
                    self.seen["resumes"] += 1
                case _:
                    pass
        for log in one.history.logs.values():
            self.entries.update(entry.kind.value for entry in log.entries)

    def text(self) -> str:
        lines = [
            f"seed {self.seed}, {self.rounds} rounds",
            f"  attempts       {_counted(self.attempts)}",
            f"  in the logs    {_counted(self.entries)}",
            f"  devices        {_counted(self.seen)}",
            f"  closed with    {_counted(self.closes)}",
            f"  faults         {sum(self.faults.values())}",
            "",
            *_table(self.faults, self.recoveries),
        ]
        lines += [f"  not here: {kind}, {why}" for kind, why in self.unavailable.items()]
        lines += [f"  a fault failed: {one}" for one in self.failed_faults]
        if self.trouble:
            lines.append(f"  trouble: {self.trouble}")
        by_rule = Counter(one.rule for one in self.violations)
        lines.append(f"  violations     {_counted(by_rule) if by_rule else 'none'}")
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        data: dict[str, Any] = {
            "seed": self.seed,
            "rounds": self.rounds,
            "faults": dict(self.faults),
            "attempts": dict(self.attempts),
            "entries": dict(self.entries),
            "devices": dict(self.seen),
            "closes": {str(code): count for code, count in self.closes.items()},
            "recovery_seconds": {
                kind: {
                    name: {"median": median(values), "max": max(values)}
                    for name in ("first_ack", "acks", "deliveries")
                    if (values := _values(self.recoveries, kind, name))
                }
                for kind in self.faults
            },
            "violations": msgspec.to_builtins(self.violations),
            "failed_faults": self.failed_faults,
            "unavailable": self.unavailable,
            "trouble": self.trouble,
        }
        path.write_text(json.dumps(data, indent=2) + "\n")


def explained(one: Round) -> str:
    """A round that failed: its timeline of faults, and the shortest history of each violation."""
    lines = ["faults:"]
    ends = {fault.number: fault.at for fault in one.history if isinstance(fault, FaultEnded)}
    for fault in one.history:
        if isinstance(fault, FaultBegan):
            end = ends.get(fault.number, float("nan"))
            lines.append(f"  {fault.at:7.2f} – {end:7.2f} s  {fault.kind}: {fault.target}")
    shown: Counter[str] = Counter()
    for violation in one.violations:
        shown[violation.rule] += 1
        if shown[violation.rule] <= MOST_SHOWN:
            lines += [f"{violation.rule}: {violation.says}", *_evidence(violation)]
    lines += [
        f"{rule}: and {count - MOST_SHOWN} more"
        for rule, count in shown.items()
        if count > MOST_SHOWN
    ]
    return "\n".join(lines)


def _evidence(violation: Violation) -> list[str]:
    return [
        f"  {record.at:7.2f} s  {msgspec.json.encode(record).decode()}"
        for record in sorted(violation.evidence, key=lambda record: record.at)
    ]


def _table(faults: Counter[str], found: Sequence[Recovery]) -> Iterable[str]:
    head = ("no send for", "sends after", "deliveries after")
    yield f"  {'seconds: median, max':28}{'n':>4}  {head[0]:>14}{head[1]:>16}{head[2]:>18}"
    for kind in sorted(faults):
        cells = [
            f"{median(values):.2f}  {max(values):6.2f}"
            if (values := _values(found, kind, name))
            else "—"
            for name in ("first_ack", "acks", "deliveries")
        ]
        yield f"  {kind:28}{faults[kind]:>4}  {cells[0]:>14}{cells[1]:>16}{cells[2]:>18}"
    yield ""


def _values(found: Sequence[Recovery], kind: str, name: str) -> list[float]:
    values = [getattr(one, name) for one in found if one.kind == kind]
    return [value for value in values if value is not None]


def _counted(counter: Counter[Any]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items(), key=str))
