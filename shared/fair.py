"""Bounds how much is under way at once, and takes turns between those who wait."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairLimit:
    """At most `most` at once, `each` of one caller. Callers who wait are let in by turns, each of
    them first in, first out."""

    def __init__(self, most: int, each: int) -> None:
        self._free = most
        self._each = each
        self._inside: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._order: deque[str] = deque()

    @asynccontextmanager
    async def turn(self, caller: str) -> AsyncIterator[None]:
        """Enter once it is the turn of `caller`."""
        await self._enter(caller)
        try:
            yield
        finally:
            self._leave(caller)

    async def _enter(self, caller: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if caller not in self._waiting:
            self._waiting[caller] = deque()
            self._order.append(caller)
        self._waiting[caller].append(turn)
        self._let_in()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(caller)
            raise

    def _leave(self, caller: str) -> None:
        self._free += 1
        self._inside[caller] -= 1
        if not self._inside[caller]:
            del self._inside[caller]
        self._let_in()

    def _let_in(self) -> None:
        for _ in range(len(self._order)):
            if not self._free:
                return
            caller = self._order.popleft()
            waiting = self._waiting[caller]
            while waiting and waiting[0].done():  # cancelled
                waiting.popleft()
            if waiting and self._inside[caller] < self._each:
                self._free -= 1
                self._inside[caller] += 1
                waiting.popleft().set_result(None)
            if waiting:
                self._order.append(caller)
            else:
                del self._waiting[caller]
