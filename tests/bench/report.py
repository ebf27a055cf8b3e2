"""Figures: repeated samples with a goal, as a table for people and as bench.json for programs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct

MISSING = "not measured"


class Goal(Struct, frozen=True):
    at_most: float | None = None
    at_least: float | None = None

    def met(self, value: float) -> bool:
        return (self.at_most is None or value <= self.at_most) and (
            self.at_least is None or value >= self.at_least
        )

    def __str__(self) -> str:
        return f"≤ {self.at_most:g}" if self.at_most is not None else f"≥ {self.at_least:g}"


class Line(Struct, frozen=True):
    """One figure; its value is the median of its samples. `failure` says why there are none."""

    key: str
    label: str
    unit: str
    samples: Sequence[float] = ()
    goal: Goal | None = None
    failure: str | None = None

    @property
    def value(self) -> float | None:
        return median(self.samples) if self.samples else None

    @property
    def met(self) -> bool | None:
        """None where there is no goal, or no value."""
        if self.goal is None or self.value is None:
            return None
        return self.goal.met(self.value)


def table(lines: Sequence[Line]) -> str:
    """Aligned columns: figure, median, range, number of repeats, goal, verdict."""
    rows = [("figure", "median", "min – max", "n", "to reach", "")]
    for line in lines:
        goal = "" if line.goal is None else str(line.goal)
        if line.value is None:
            rows.append((line.label, "—", line.failure or MISSING, "", goal, "MISSING"))
            continue
        low, high = min(line.samples), max(line.samples)
        rows.append(
            (
                line.label,
                f"{_shown(line.value)} {line.unit}".strip(),
                f"{_shown(low)} – {_shown(high)}",
                str(len(line.samples)),
                goal,
                {None: "", True: "reached", False: "NOT REACHED"}[line.met],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    widths[2] = min(widths[2], 60)
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    text.insert(1, "─" * max(map(len, text)))
    return "\n".join(text)


def write_json(path: Path, lines: Sequence[Line], run: Mapping[str, Any]) -> None:
    """Each figure's median under its own key, null where it is missing, then all details."""
    document: dict[str, Any] = {line.key: _rounded(line.value) for line in lines}
    document["details"] = {
        line.key: {
            "label": line.label,
            "unit": line.unit,
            "median": _rounded(line.value),
            "min": _rounded(min(line.samples, default=None)),
            "max": _rounded(max(line.samples, default=None)),
            "samples": [_rounded(sample) for sample in line.samples],
            "goal": None if line.goal is None else str(line.goal),
            "reached": line.met,
            "failure": line.failure,
        }
        for line in lines
    }
    document["run"] = run
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def percentile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed."""
    return ascending[min(len(ascending) - 1, int(len(ascending) * share))]


def _shown(value: float) -> str:
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
