"""Tasks that run as long as the service. Where one ends by itself, the whole service has failed."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any, NoReturn

from shared.errors import ServiceError
from shared.observability.logs import get_logger

log = get_logger("tasks")

Step = Callable[[], Awaitable[object]]
RETRY_SECONDS = 1.0


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
        log.critical("a task of the service ended", task=task.get_name(), exc_info=task.exception())
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
    name = getattr(part, "__qualname__", "a task")
    try:
        await part
    except asyncio.CancelledError as cancellation:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # A task group takes a cancelled task for one that was meant to end.
        raise TaskEnded(f"{name} was cancelled by nobody") from cancellation
    raise TaskEnded(f"{name} has returned")


async def every(seconds: float, step: Step, *, jitter: float = 0.0) -> NoReturn:
    """Await `step`, pause for `seconds`, plus or minus up to `jitter`, and begin again.

    A failure costs another second and is logged, except for a `ServiceError`: whoever raised that
    has told. Runs until cancelled.
    """
    while True:
        await _succeeds(step)
        await asyncio.sleep(seconds + random.uniform(-jitter, jitter))


async def whenever(work: asyncio.Event, step: Step, *, after: float = 0.0) -> NoReturn:
    """Each time `work` is set, clear it, let more come in for `after` seconds, and await `step`.

    A failure is treated as in `every`; then `work` is set again. Runs until cancelled.
    """
    while True:
        await work.wait()
        work.clear()
        await asyncio.sleep(after)
        if not await _succeeds(step):
            work.set()


async def _succeeds(step: Step) -> bool:
    try:
        await step()
    except ServiceError:
        await asyncio.sleep(RETRY_SECONDS)
        return False
    except Exception:
        name = getattr(step, "__qualname__", repr(step))
        log.exception("a step of a task failed", step=name)
        await asyncio.sleep(RETRY_SECONDS)
        return False
    return True
