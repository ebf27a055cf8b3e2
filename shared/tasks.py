"""Tasks that run as long as the service. If one ends by itself, the whole service has failed."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any, NoReturn

from shared.errors import ServiceError
from shared.observability.logs import get_logger

log = get_logger("tasks")

Run = Coroutine[Any, Any, None]
Step = Callable[[], Awaitable[object]]

RETRY_SECONDS = 1.0
BACK_OFF_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)


class TaskEnded(Exception):
    """A task that should run until cancelled has returned, or was cancelled by a library."""


def keep_running(stack: AsyncExitStack, *runs: Callable[[], Run]) -> None:
    """Run each in a task until `stack` closes, which cancels the last one first.

    If one fails, the process is told to end (SIGTERM): half a service is worse than a restart.
    """
    for run in runs:
        coroutine = run()
        task = asyncio.create_task(coroutine, name=getattr(coroutine, "__qualname__", None))
        task.add_done_callback(_report)
        stack.push_async_callback(_end, task)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.critical(
            "a task of the service failed", task=task.get_name(), exc_info=task.exception()
        )
        signal.raise_signal(signal.SIGTERM)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def together(*tasks: Run) -> None:
    """Run `tasks` until cancelled. Raises an ExceptionGroup if one of them ends."""
    async with asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(_for_ever(task))


async def _for_ever(run: Run) -> None:
    name = getattr(run, "__qualname__", "a task")
    try:
        await run
    except asyncio.CancelledError as cancellation:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # A task group would take this for a cancellation that somebody asked for.
        raise TaskEnded(f"{name} was cancelled by a library") from cancellation
    raise TaskEnded(f"{name} has returned")


async def every(seconds: float, step: Step, *, jitter: float = 0.0) -> NoReturn:
    """Await `step` at once, and again `seconds` (plus or minus up to `jitter`) after it returned.

    After a failure the next attempt follows in `RETRY_SECONDS`. Failures are logged, except for a
    `ServiceError`: whoever raised it has logged its cause. Runs until cancelled.
    """
    while True:
        if await _succeeds(step):
            await asyncio.sleep(seconds + random.uniform(-jitter, jitter))


async def whenever(work: asyncio.Event, step: Step, *, after: float = 0.0) -> NoReturn:
    """Each time `work` is set, let more come in for `after` seconds, clear it, and await `step`.

    If `work` is set while `step` runs, another step follows. A failure is treated as in `every`,
    and sets `work` again. Runs until cancelled.
    """
    while True:
        await work.wait()
        await asyncio.sleep(after)
        work.clear()
        if not await _succeeds(step):
            work.set()


async def back_off(attempt: int) -> None:
    """Pause after a failed attempt: 0.1 s after the first, number 0, and 2 s from the fifth on."""
    await asyncio.sleep(BACK_OFF_SECONDS[min(attempt, len(BACK_OFF_SECONDS) - 1)])


async def _succeeds(step: Step) -> bool:
    """Await `step`. If it fails, pause for `RETRY_SECONDS` and return False."""
    try:
        await step()
    except Exception as error:
        if not isinstance(error, ServiceError):
            log.exception("a step failed", step=getattr(step, "__qualname__", repr(step)))
        await asyncio.sleep(RETRY_SECONDS)
        return False
    return True
