"""Parts that run for ever: none of them ends unnoticed."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from shared.tasks import TaskEnded, keep_running, together


async def for_ever() -> None:
    await asyncio.Event().wait()


async def cancelled_by_nobody() -> None:
    """As where a library cancels a future that others wait for."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def returning() -> None:
    await asyncio.sleep(0)


async def failing() -> None:
    raise RuntimeError("broken")


@pytest.mark.parametrize(
    ("part", "error"),
    [(cancelled_by_nobody, TaskEnded), (returning, TaskEnded), (failing, RuntimeError)],
)
async def test_the_end_of_one_part_is_an_error(
    part: Callable[[], Coroutine[Any, Any, None]], error: type[Exception]
) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await together(for_ever(), part())
    assert caught.group_contains(error)


async def test_who_is_cancelled_is_cancelled() -> None:
    task = asyncio.create_task(together(for_ever(), for_ever()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_part_that_fails_ends_the_process() -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    try:
        async with AsyncExitStack() as stack:
            keep_running(stack, for_ever, returning)  # one that is through has not failed
        assert not told.is_set()
        stack = AsyncExitStack()
        keep_running(stack, for_ever, failing)
        await told.wait()
        with pytest.raises(RuntimeError, match="broken"):  # the process ends with a status of 1
            await stack.aclose()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
