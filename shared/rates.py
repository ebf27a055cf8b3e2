"""How many requests, or ops of a socket, an employee may send to one instance."""

import time

from cachetools import LRUCache

from shared.errors import RateLimited

REMEMBERED = 100_000
"""Employees whose buckets are kept; beyond that the least recently used bucket goes."""


class RateLimiter:
    """A token bucket for each employee: `per_second` on average, `burst` at once."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(REMEMBERED)

    def admit(self, employee: str) -> None:
        """Raises `RateLimited`, with the time until the next request is admitted."""
        now = time.monotonic()
        left, at = self._buckets.get(employee) or (self._burst, now)
        left = min(self._burst, left + (now - at) * self._per_second)
        if left < 1.0:
            raise RateLimited(
                f"At most {self._per_second:g} a second, {self._burst:g} at once.",
                retry_after=(1.0 - left) / self._per_second,
            )
        self._buckets[employee] = (left - 1.0, now)
