"""What the parts of the chat service count of themselves; `metrics.py` reads it when asked.

Parts count once for each batch, never for each message, and know nothing of Prometheus.
"""

from msgspec import Struct, field

from shared.metrics import SECONDS, Distribution

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def _sizes() -> Distribution:
    return Distribution(SIZES)


def _seconds() -> Distribution:
    return Distribution(SECONDS)


class LogCounts(Struct):
    """Of the message log. `failed` are drafts that were not confirmed, and may be sent again:
    nobody knows whether they were stored, or too many wait; `refused` those that never will be."""

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
