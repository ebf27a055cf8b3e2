"""Lines over time as an SVG, without a library: rates above, memory and counts below."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from itertools import pairwise

from msgspec import Struct

from tests.fault.soak.measure import Sample

WIDTH, HEIGHT = 760, 150
LEFT, TOP, GAP = 70, 40, 60
COLOURS = ("#0b6e99", "#c4472c", "#5b8c2a", "#8a5aa8")
POINTS = 200
"""Of a line; more samples than that are averaged."""

Value = Callable[[Sample], float]


class Panel(Struct, frozen=True):
    title: str
    lines: dict[str, Value]


def svg(samples: Sequence[Sample], title: str) -> str:
    """The whole picture; one with no samples is empty."""
    services = list(samples[0].services) if samples else []
    panels = [
        Panel("a second", {"messages": lambda s: s.messages, "connects": lambda s: s.connects}),
        Panel("connections", {"authenticated": lambda s: s.connections}),
        Panel(
            "resident memory, MiB", {n: _of(n, lambda v: v.resident / (1 << 20)) for n in services}
        ),
        Panel("file descriptors", {n: _of(n, lambda v: v.descriptors) for n in services}),
        Panel("asyncio tasks", {n: _of(n, lambda v: v.tasks) for n in services}),
    ]
    height = TOP + len(panels) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 40} {height}"'
        ' font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, samples, TOP + number * (HEIGHT + GAP) + 24)
    return "\n".join([*parts, "</svg>\n"])


def _of(service: str, value: Callable[..., float]) -> Value:
    return lambda sample: value(sample.services[service])


def _panel(panel: Panel, samples: Sequence[Sample], top: int) -> Iterator[str]:
    drawn = {
        name: _thinned([(s.at / 60, value(s)) for s in samples])
        for name, value in panel.lines.items()
    }
    points = [point for line in drawn.values() for point in line]
    most = _round_up(max((y for _, y in points), default=1))
    end = max((x for x, _ in points), default=1) or 1
    yield f'<text x="{LEFT}" y="{top - 8}" font-weight="bold">{escape(panel.title)}</text>'
    for part in range(5):
        y = top + HEIGHT - HEIGHT * part / 4
        yield f'<path d="M{LEFT} {y:.1f}h{WIDTH}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{most * part / 4:g}</text>'
        x = LEFT + WIDTH * part / 4
        yield (
            f'<text x="{x:.0f}" y="{top + HEIGHT + 16}" text-anchor="middle">'
            f"{end * part / 4:.1f} min</text>"
        )
    for number, (name, line) in enumerate(drawn.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = "L".join(
            f"{LEFT + WIDTH * x / end:.0f} {top + HEIGHT - HEIGHT * y / most:.1f}" for x, y in line
        )
        yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        x = LEFT + WIDTH - 150 * (len(drawn) - number)
        yield f'<text x="{x}" y="{top - 8}" fill="{colour}">{escape(name)}</text>'


def _thinned(line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    size = max(1, -(-len(line) // POINTS))
    groups = [line[start : start + size] for start in range(0, len(line), size)]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]


def _round_up(value: float) -> float:
    """To 1, 2, 4 or 8 times a power of ten."""
    steps = [step * 10.0**power for power in range(-2, 12) for step in (1, 2, 4, 8)]
    return next((high for low, high in pairwise(steps) if low < value <= high), steps[0])
