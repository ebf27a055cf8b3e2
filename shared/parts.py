"""Parts of a service that run for ever: where one ends, by whatever, the whole has failed."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class PartEnded(Exception):
    """A part that runs for ever has returned, or was cancelled by nobody."""


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
        raise PartEnded(f"{name} was cancelled by nobody") from cancellation
    raise PartEnded(f"{name} has returned")
