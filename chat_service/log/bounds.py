"""The bounds of a lane: how much it takes, and how long a draft may wait in it."""

import random

from msgspec import Struct

from shared.errors import Unavailable

MAX_WAIT_SECONDS = 1.0
"""Nothing that is accepted waits much longer for its turn."""
LEAST_PATIENCE_SECONDS, MOST_PATIENCE_SECONDS = 0.05, MAX_WAIT_SECONDS / 4
"""For another instance's turn; what waits for it has waited before, and may have to again."""
SMOOTHING = 0.2
"""The weight of the newest commit."""


class LogSettings(Struct, frozen=True):
    """`lanes` commit at the same time, each `batch` messages at most; a lane refuses drafts while
    `max_pending` wait in it, or where they would wait longer than `max_wait` seconds."""

    lanes: int = 1
    batch: int = 256
    max_pending: int = 20_000
    max_wait: float = MAX_WAIT_SECONDS


class Pace:
    """How long commits take, as a moving average. `batch` is the most drafts in one."""

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._seconds = 0.0

    def committed(self, seconds: float) -> None:
        """A commit took so long."""
        self._seconds += SMOOTHING * (seconds - self._seconds)

    def patience(self) -> float:
        """For how long another instance may be expected to commit something and tell of it."""
        return min(max(LEAST_PATIENCE_SECONDS, 8 * self._seconds), MOST_PATIENCE_SECONDS)

    def seconds(self, drafts: int) -> float:
        """How long so many drafts take, in full batches; 0 before the first commit."""
        return drafts / self._batch * self._seconds


def busy() -> Unavailable:
    """The refusal of what would wait too long. Its moment is jittered, so that not all come back at
    once; whoever refuses several that belong together gives them one."""
    return Unavailable(
        "Too many messages wait for the database.", retry_after=random.uniform(1.0, 2.0)
    )
