"""How many requests of one caller may be under way at once, replies that nobody reads included."""

import asyncio
from weakref import WeakValueDictionary

from shared.errors import RateLimited

TURN_SECONDS = 10.0


class ConcurrencyLimit:
    """At most `at_once` of each caller; the others wait for their turn."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._callers: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def acquire(self, caller: str) -> None:
        """Returns when it is this task's turn, which it has until it ends: aiohttp has a task for
        each request, which ends when the reply is written.

        Raises `RateLimited` where that takes more than `TURN_SECONDS`.
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
                    f"At most {self._at_once} of these at once; read their answers.",
                    retry_after=1.0,
                ) from None
        else:
            await turns.acquire()
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda _: turns.release())
