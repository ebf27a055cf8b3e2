"""Conversation summaries, written behind the log: the newest entry of each, every so often.

They are derived. What is lost with a process is made good when a summary is read, and at start.
"""

import asyncio
from collections.abc import Iterable

from chat_service.conversations import Conversations
from chat_service.entries import Entry
from shared.errors import Unavailable

MOST_AT_ONCE = 1000


class Summaries:
    """The newest entries that are not yet in their summaries."""

    def __init__(self, conversations: Conversations, interval: float) -> None:
        self._conversations = conversations
        self._interval = interval
        self._newest: dict[str, Entry] = {}
        self._work = asyncio.Event()

    def note(self, entries: Iterable[Entry]) -> None:
        """These entries became durable."""
        newest = self._newest
        for entry in entries:
            known = newest.get(entry.conversation)
            if known is None or known.seq < entry.seq:
                newest[entry.conversation] = entry
        self._work.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            await asyncio.sleep(self._interval)
            await self.write()

    async def write(self) -> None:
        """Write what was noted; what cannot be written now stays noted."""
        while self._newest:
            some = dict(list(self._newest.items())[:MOST_AT_ONCE])
            for conversation in some:
                del self._newest[conversation]
            try:
                await self._conversations.summarise(some.values())
            except Unavailable:
                self.note(some.values())
                return
