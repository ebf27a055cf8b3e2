"""What the message log counts, once for each batch; `metrics.py` reads it."""

from msgspec import Struct, field

from shared.observability.metrics import Distribution, seconds

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class LogCounts(Struct):
    """Drafts by outcome, and commits by size and duration in seconds.

    `repeated` were stored before. `refused` will never be stored. `failed` may be sent again: they
    are in doubt, or too many were waiting.
    """

    committed: int = 0
    repeated: int = 0
    refused: int = 0
    failed: int = 0
    sizes: Distribution = field(default_factory=lambda: Distribution(SIZES))
    seconds: Distribution = field(default_factory=seconds)
