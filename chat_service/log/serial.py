"""Commits edits and deletions, each a transaction of its own, so that they hold up each other but
no messages.

While a conversation has an edit or a deletion waiting, everything sent to it goes this way, which
keeps each sender's entries in order. Conversations take turns. The lane must never commit to a
conversation that already has a commit in flight.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection

from chat_service.log.entries import Draft
from chat_service.log.store import Busy
from shared.errors import ServiceError, Unavailable
from shared.tasks import together

WORKERS = 4
"""Conversations that are written to at once. A conflict in one of them delays only that one."""
AT_ONCE = 8
"""Drafts of a conversation in one turn; then another conversation has its turn."""

Flush = Callable[[list[Draft]], Awaitable[ServiceError | None]]
"""Commits a batch and settles all its drafts; returns why some are in doubt, if any are."""
Refuse = Callable[[Collection[str], list[Draft], Unavailable], None]
"""(conversations, drafts, error): settle `drafts` with `error`, and so all other drafts that wait
behind them in these conversations."""


class SerialLane:
    """Drafts of conversations in which something is being edited or deleted."""

    def __init__(self, refuse: Refuse) -> None:
        self._refuse = refuse
        self._waiting: dict[str, deque[Draft]] = {}
        self._turns: asyncio.Queue[str] = asyncio.Queue()
        self.waiting = 0
        self.under_way = 0
        self.idle = asyncio.Event()
        self.idle.set()

    def __contains__(self, conversation: str) -> bool:
        """Whether a draft of it waits, or is being committed."""
        return conversation in self._waiting

    def submit(self, draft: Draft) -> None:
        """Queue `draft` behind the others of its conversation."""
        conversation = draft.conversation.id
        if conversation not in self._waiting:
            self._waiting[conversation] = deque()
            self._turns.put_nowait(conversation)
            self.idle.clear()
        self._waiting[conversation].append(draft)
        self.waiting += 1

    async def run(self, flush: Flush) -> None:
        """Commit until cancelled; whatever still waits then is refused."""
        try:
            await together(*(self._work(flush) for _ in range(WORKERS)))
        finally:
            error = Unavailable("The service is stopping.", retry_after=1.0)
            self._give_up(list(self._waiting), error)

    async def _work(self, flush: Flush) -> None:
        while True:
            conversation = await self._turns.get()
            waiting = self._waiting[conversation]
            batch = [waiting.popleft() for _ in range(min(len(waiting), AT_ONCE))]
            if batch:
                self.waiting -= len(batch)
                self.under_way += len(batch)
                error = await flush(batch)
                self.under_way -= len(batch)
                if isinstance(error, Busy):
                    self._give_up([conversation], error)
                elif isinstance(error, Unavailable):
                    self._give_up(list(self._waiting), error)
            if waiting:
                self._turns.put_nowait(conversation)
                continue
            del self._waiting[conversation]
            if not self._waiting:
                self.idle.set()

    def _give_up(self, conversations: Collection[str], error: Unavailable) -> None:
        """Drafts behind a failed batch would wait as long only to fail, or would overtake it."""
        drafts: list[Draft] = []
        for conversation in conversations:
            drafts += self._waiting[conversation]
            self._waiting[conversation].clear()
        self.waiting -= len(drafts)
        self._refuse(conversations, drafts, error)
