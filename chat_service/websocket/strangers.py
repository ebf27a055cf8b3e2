"""Bounds the sockets that nobody has authenticated yet, apart from everybody else's."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import TooManyConnections


class Strangers:
    """At most `most` sockets wait for their first frame, `each` of them from one address."""

    def __init__(self, most: int, each: int) -> None:
        self.most = most
        self.refused = 0
        self._each = each
        self._by_address: Counter[str] = Counter()
        self.count = 0

    @contextmanager
    def one(self, address: str) -> Iterator[None]:
        """While a socket from `address` is not authenticated. Raises `TooManyConnections`."""
        if self.count >= self.most or self._by_address[address] >= self._each:
            self.refused += 1
            raise TooManyConnections(
                "Too many sockets wait for their first frame; try again.", retry_after=1.0
            )
        self.count += 1
        self._by_address[address] += 1
        try:
            yield
        finally:
            self.count -= 1
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
