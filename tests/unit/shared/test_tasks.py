"""Tasks that run for ever: none of them ends unnoticed, and a step that fails is tried again."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared import tasks
from shared.errors import Unavailable
from shared.tasks import TaskEnded, every, keep_running, together, whenever


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


NEVER = 1000.0
"""Seconds, longer than any test."""


class Steps:
    """A step that fails with each of `failures` first; each call waits until the test lets it."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self._begun = asyncio.Semaphore(0)
        self._allowed = asyncio.Semaphore(0)

    async def __call__(self) -> None:
        self._begun.release()
        await self._allowed.acquire()
        if self._failures:
            raise self._failures.pop(0)

    async def begun(self) -> None:
        """Returns when one more call has begun."""
        async with asyncio.timeout(10):
            await self._begun.acquire()

    def end(self) -> None:
        self._allowed.release()

    async def pass_by(self) -> None:
        await self.begun()
        self.end()


@asynccontextmanager
async def running(loop: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(loop)
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def retried_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "RETRY_SECONDS", 0.0)


async def test_every_takes_a_step_at_once_and_then_again_and_again() -> None:
    steps = Steps()
    async with running(every(0.001, steps, jitter=0.001)):
        for _ in range(3):
            await steps.pass_by()


@pytest.mark.usefixtures("retried_at_once")
async def test_every_tries_again_soon_after_a_failure() -> None:
    steps = Steps(Unavailable("away"), RuntimeError("broken"))
    with capture_logs() as logged:
        async with running(every(NEVER, steps)):
            for _ in range(3):
                await steps.pass_by()
    assert [line["event"] for line in logged] == ["a step failed"]  # not for a ServiceError


async def test_whenever_takes_a_step_each_time_there_is_work() -> None:
    steps, work = Steps(), asyncio.Event()
    async with running(whenever(work, steps)):
        for _ in range(2):
            work.set()
            await steps.pass_by()
        work.set()
        await steps.begun()
        work.set()  # while the step is running: it may have come too late for this one
        steps.end()
        await steps.pass_by()
        assert not work.is_set()


async def test_whenever_handles_in_one_step_what_comes_in_during_the_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps, pauses, work = Steps(), Steps(), asyncio.Event()
    monkeypatch.setattr(asyncio, "sleep", lambda _: pauses())
    async with running(whenever(work, steps, after=NEVER)):
        work.set()
        await pauses.begun()
        work.set()
        pauses.end()
        await steps.begun()
        assert not work.is_set()


@pytest.mark.usefixtures("retried_at_once")
async def test_whenever_tries_again_after_a_failure() -> None:
    steps, work = Steps(Unavailable("away"), RuntimeError("broken")), asyncio.Event()
    with capture_logs() as logged:
        async with running(whenever(work, steps)):
            work.set()
            for _ in range(3):
                await steps.pass_by()
    assert [line["event"] for line in logged] == ["a step failed"]  # not for a ServiceError
    assert not work.is_set()
