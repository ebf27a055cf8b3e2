"""asyncio's debug mode: coroutines that nobody awaits, calls from foreign threads."""

import asyncio

import pytest


@pytest.fixture(autouse=True)
async def asyncio_debug() -> None:
    """The event loop of this test is in debug mode."""
    asyncio.get_running_loop().set_debug(True)
