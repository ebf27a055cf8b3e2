"""Parts that run for ever: none of them ends unnoticed."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from shared.parts import PartEnded, together


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
    [(cancelled_by_nobody, PartEnded), (returning, PartEnded), (failing, RuntimeError)],
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
