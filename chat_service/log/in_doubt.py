"""Resolves in-doubt writes: reads whether they were stored, then announces their conversations."""

import asyncio
from collections.abc import Callable, Sequence

from chat_service.log.conversation import Conversation
from chat_service.log.entries import Announcement, joined
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
        self._in_doubt: dict[str, Announcement] = {}
        self._work = asyncio.Event()

    def note(self, conversation: Conversation, late_after: int | None) -> None:
        """A write was not confirmed; `late_after` is as in `Announcement`."""
        id = conversation.id
        noted = Announcement(id, *conversation.participants, 0, late_after)
        known = self._in_doubt.get(id)
        self._in_doubt[id] = noted if known is None else joined(known, noted)
        self._work.set()

    @property
    def late(self) -> dict[str, int]:
        """`late_after` of each conversation that has one, by id."""
        return {
            id: noted.late_after
            for id, noted in self._in_doubt.items()
            if noted.late_after is not None
        }

    async def run(self, on_doubt: OnDoubt) -> None:
        """Resolve what is noted until cancelled, however long the database is away."""
        await whenever(self._work, lambda: self._resolve(on_doubt), after=RETRY_SECONDS)

    async def _resolve(self, on_doubt: OnDoubt) -> None:
        if not self._in_doubt:
            return
        in_doubt = dict(self._in_doubt)
        try:
            heads = await self._store.settled_heads(in_doubt)
        except Unavailable:
            self._work.set()
            return
        on_doubt(
            [
                Announcement(id, noted.first, noted.second, heads[id].seq, noted.late_after)
                for id, noted in in_doubt.items()
            ]
        )
        for id, noted in in_doubt.items():
            if self._in_doubt[id] is noted:
                del self._in_doubt[id]
