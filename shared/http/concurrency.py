"""Limits how many requests of one caller are in progress, including replies that nobody reads."""

import asyncio
from weakref import WeakValueDictionary

from shared.errors import RateLimited

TURN_SECONDS = 10.0


class ConcurrencyLimit:
    """At most `at_once` requests of each caller are in progress; the others wait."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._callers: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def acquire(self, caller: str) -> None:
        """Wait for a turn, which is released when the current task ends: aiohttp runs each request
        in a task that ends when the reply is written.

        Raises `RateLimited` after `TURN_SECONDS`.
        """
        turns = self._callers.get(caller)
        if turns is None:
            turns = self._callers[caller] = asyncio.Semaphore(self._at_once)
        if turns.locked():
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    await turns.acquire()
            except TimeoutError:
                raise RateLimited(
                    f"At most {self._at_once} of these requests at once: read their replies first.",
                    retry_after=1.0,
                ) from None
        else:
            await turns.acquire()
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda _: turns.release())
