"""What delivery counts of itself; `metrics.py` reads it."""

from msgspec import Struct, field

from shared.observability.metrics import Distribution, seconds


class DeliveryCounts(Struct):
    """Times are from the start of an entry's commit until its sockets were given it. They are
    measured for the oldest entry of each batch, committed `here` or received from `elsewhere`.
    `resyncs` counts sockets that were told to resume, `heads` conversations whose devices were told
    how far they go."""

    here: Distribution = field(default_factory=seconds)
    elsewhere: Distribution = field(default_factory=seconds)
    resyncs: int = 0
    heads: int = 0
