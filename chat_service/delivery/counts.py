"""What delivery counts of itself; `metrics.py` reads it."""

from msgspec import Struct, field

from shared.observability.metrics import Distribution, seconds


class DeliveryCounts(Struct):
    """Of delivery. Times are from the start of an entry's commit until it was given to the sockets,
    of the oldest entry of each batch: one that was committed `here`, or came from `elsewhere`.
    `resyncs` are sockets that were told to resume."""

    here: Distribution = field(default_factory=seconds)
    elsewhere: Distribution = field(default_factory=seconds)
    resyncs: int = 0
