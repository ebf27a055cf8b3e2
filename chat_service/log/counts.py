"""What the message log counts of itself, once for each batch; `metrics.py` reads it."""

from msgspec import Struct, field

from shared.observability.metrics import Distribution, seconds

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class LogCounts(Struct):
    """Of the message log. `failed` are drafts that were not confirmed, and may be sent again:
    nobody knows whether they were stored, or too many wait; `refused` those that never will be."""

    committed: int = 0
    repeated: int = 0
    refused: int = 0
    failed: int = 0
    sizes: Distribution = field(default_factory=lambda: Distribution(SIZES))
    seconds: Distribution = field(default_factory=seconds)
