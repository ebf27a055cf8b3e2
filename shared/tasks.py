"""Parts of a service that run for ever: where one ends, by whatever, the whole has failed."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

from shared.observability.logs import get_logger

log = get_logger("parts")


class TaskEnded(Exception):
    """A part that runs for ever has returned, or was cancelled by nobody."""


def keep_running(stack: AsyncExitStack, *runs: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run each until `stack` is closed, the last one first. Where one fails the process is told to
    end: half a service is worse than a new one."""
    for run in runs:
        task = asyncio.create_task(run(), name=run.__qualname__)
        task.add_done_callback(_report)
        stack.push_async_callback(_end, task)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.critical("a part of the service ended", part=task.get_name(), exc_info=task.exception())
        signal.raise_signal(signal.SIGTERM)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run `parts` until cancelled. Raises an ExceptionGroup where one of them ends."""
    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(_for_ever(part))


async def _for_ever(part: Coroutine[Any, Any, None]) -> None:
    name = getattr(part, "__qualname__", "a part")
    try:
        await part
    except asyncio.CancelledError as cancellation:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # A task group takes a cancelled task for one that was meant to end.
        raise TaskEnded(f"{name} was cancelled by nobody") from cancellation
    raise TaskEnded(f"{name} has returned")
