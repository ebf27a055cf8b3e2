"""What the parts of the chat service count of themselves; `metrics.py` reads it when asked.

Parts count once for each batch, never for each message, and know nothing of Prometheus.
"""

from bisect import bisect_left
from collections.abc import Sequence

from msgspec import Struct, field

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Distribution:
    """How often values fell into each bucket; `bounds` are the upper ones, inclusive, ascending."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


def _sizes() -> Distribution:
    return Distribution(SIZES)


def _seconds() -> Distribution:
    return Distribution(SECONDS)


class LogCounts(Struct):
    """Of the message log. `failed` are drafts that got a retryable error, as nobody knows whether
    they were stored; `refused` those that never will be."""

    committed: int = 0
    repeated: int = 0
    refused: int = 0
    failed: int = 0
    sizes: Distribution = field(default_factory=_sizes)
    seconds: Distribution = field(default_factory=_seconds)


class DeliveryCounts(Struct):
    """Of delivery. Times are from the start of an entry's commit until it was given to the sockets,
    of the oldest entry of each batch: one that was committed `here`, or came from `elsewhere`.
    `resyncs` are sockets that were told to resume."""

    here: Distribution = field(default_factory=_seconds)
    elsewhere: Distribution = field(default_factory=_seconds)
    resyncs: int = 0


class SocketCounts(Struct):
    """Of sockets. `slow` ones were cut off because they did not read; `caught_up` are entries that
    resumes sent."""

    opened: int = 0
    slow: int = 0
    resumes: int = 0
    caught_up: int = 0
