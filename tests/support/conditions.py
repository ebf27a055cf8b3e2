"""Waiting in tests: for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable

LOOK_EVERY_S = 0.02


def eventually(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    """Returns as soon as the condition holds; an AssertionError after `within_s` without it."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(LOOK_EVERY_S)


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 30.0) -> None:
    """Returns as soon as the condition holds; TimeoutError after `within_s` without it."""
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110 - the condition is another process's
            await asyncio.sleep(LOOK_EVERY_S)


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Whether it is set, after at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
