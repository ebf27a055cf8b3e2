"""Resolves in-doubt writes: reads whether they were stored, then announces their conversations."""

import asyncio
from collections.abc import Callable, Sequence

from chat_service.log.conversation import Conversation
from chat_service.log.entries import Announcement
from chat_service.log.store import EntryStore
from shared.errors import Unavailable
from shared.tasks import whenever

RETRY_SECONDS = 0.5

OnDoubt = Callable[[Sequence[Announcement]], None]
"""Called with conversations that may have entries nobody was told of, and their settled heads."""


class InDoubtWrites:
    """Conversations that may have entries nobody was told of."""

    def __init__(self, store: EntryStore) -> None:
        self._store = store
        self._in_doubt: dict[str, Conversation] = {}
        self._work = asyncio.Event()

    def note(self, conversation: Conversation) -> None:
        """A write was not confirmed."""
        self._in_doubt[conversation.id] = conversation
        self._work.set()

    async def run(self, on_doubt: OnDoubt) -> None:
        """Resolve what is noted until cancelled, however long the database is away."""
        await whenever(self._work, lambda: self._resolve(on_doubt), after=RETRY_SECONDS)

    async def _resolve(self, on_doubt: OnDoubt) -> None:
        in_doubt, self._in_doubt = self._in_doubt, {}
        if not in_doubt:
            return
        try:
            heads = await self._store.settled_heads(in_doubt)
        except BaseException as error:
            self._in_doubt = in_doubt | self._in_doubt
            self._work.set()
            if isinstance(error, Unavailable):
                return
            raise
        on_doubt(
            [
                Announcement(id, *conversation.participants, heads[id].seq)
                for id, conversation in in_doubt.items()
                if heads[id].seq
            ]
        )
