"""What the message log counts, once for each batch; `metrics.py` reads it."""

import time

from msgspec import Struct, field

from chat_service.log.outcome import Outcome
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

    def add(self, outcome: Outcome) -> None:
        """Count what became of a batch."""
        self.seconds.add(time.monotonic() - outcome.began_at)
        self.sizes.add(len(outcome.committed) + len(outcome.refused) + len(outcome.remaining))
        repeated = sum(item.repeated for item in outcome.committed)
        self.committed += len(outcome.committed) - repeated
        self.repeated += repeated
        self.refused += len(outcome.refused)
        self.failed += len(outcome.remaining)
