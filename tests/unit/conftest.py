"""Every test here runs in asyncio's debug mode."""

from tests.support.debug import asyncio_debug

__all__ = ["asyncio_debug"]
