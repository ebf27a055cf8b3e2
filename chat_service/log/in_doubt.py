"""Entries of which nobody knows whether they were stored: finds out, and tells of them."""

import asyncio
from collections.abc import Callable, Sequence

from chat_service.log.conversation import Conversation
from chat_service.log.entries import Announcement, joined
from chat_service.log.store import EntryStore
from shared.errors import Unavailable
from shared.observability.logs import get_logger

log = get_logger("doubts")

RETRY_SECONDS = 0.5


class InDoubtWrites:
    """Conversations that may have entries that nobody was told of."""

    def __init__(
        self, store: EntryStore, on_doubt: Callable[[Sequence[Announcement]], None]
    ) -> None:
        """`on_doubt` is told once it is known where these conversations are."""
        self._store = store
        self._on_doubt = on_doubt
        self._doubts: dict[str, Announcement] = {}
        self._work = asyncio.Event()

    def note(self, conversation: Conversation, late_after: int | None) -> None:
        """Something was not confirmed; `late_after` is as in `Announcement`."""
        id = conversation.id
        doubt = Announcement(id, *conversation.participants, 0, late_after)
        known = self._doubts.get(id)
        self._doubts[id] = doubt if known is None else joined(known, doubt)
        self._work.set()

    @property
    def late(self) -> dict[str, int]:
        """The position of each conversation after which there may be entries that nobody can read
        yet, and nobody was told of."""
        return {
            id: doubt.late_after
            for id, doubt in self._doubts.items()
            if doubt.late_after is not None
        }

    async def run(self) -> None:
        """Find out, until cancelled."""
        while True:
            await self._work.wait()
            await asyncio.sleep(RETRY_SECONDS)
            await self._clear()
            if not self._doubts:
                self._work.clear()

    async def _clear(self) -> None:
        doubts = dict(self._doubts)
        try:
            heads = await self._store.settled_heads(doubts)
        except Unavailable:
            return
        except Exception:
            log.exception("doubts could not be cleared", conversations=len(doubts))
            return
        for id, doubt in doubts.items():
            if self._doubts[id] is doubt:
                del self._doubts[id]
        self._on_doubt(
            [
                Announcement(id, doubt.first, doubt.second, heads[id].seq, doubt.late_after)
                for id, doubt in doubts.items()
            ]
        )
