"""Edits and deletions, each a transaction of its own: they wait for each other, not messages for
them.

As long as something in a conversation is being changed, all that is sent there goes this way, so
that each sender's entries keep their order. Conversations take turns; it must never take a draft
of a conversation of which another is being committed elsewhere.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection

from chat_service.log.entries import Draft
from chat_service.log.store import Busy
from shared.errors import ServiceError, Unavailable
from shared.tasks import together

WORKERS = 4
"""Conversations that are written to at once. A conflict in one of them is waited for there only."""
AT_ONCE = 8
"""Drafts of a conversation that are committed before the next one has its turn."""

Flush = Callable[[list[Draft]], Awaitable[ServiceError | None]]
"""Commits a batch and settles every draft of it; returns why some are left in doubt."""
Refuse = Callable[[Collection[str], list[Draft], Unavailable], None]
"""(conversations, drafts, error): settle these drafts with `error`, and all that wait behind them
elsewhere in these conversations."""


class SerialLane:
    """Drafts that wait in conversations in which something is being changed."""

    def __init__(self, flush: Flush, refuse: Refuse) -> None:
        self._flush = flush
        self._refuse = refuse
        self._waiting: dict[str, deque[Draft]] = {}
        self._turns: asyncio.Queue[str] = asyncio.Queue()
        self.waiting = 0
        self.under_way = 0
        self.idle = asyncio.Event()
        self.idle.set()

    def __contains__(self, conversation: str) -> bool:
        """Whether something in it waits, or is being committed."""
        return conversation in self._waiting

    def submit(self, draft: Draft) -> None:
        """Queue `draft` behind those of its conversation."""
        conversation = draft.conversation.id
        if conversation not in self._waiting:
            self._waiting[conversation] = deque()
            self._turns.put_nowait(conversation)
            self.idle.clear()
        self._waiting[conversation].append(draft)
        self.waiting += 1

    async def run(self) -> None:
        """Commit until cancelled; what waits then is refused."""
        try:
            await together(*(self._work() for _ in range(WORKERS)))
        finally:
            error = Unavailable("The service is stopping.", retry_after=1.0)
            self._give_up(list(self._waiting), error)

    async def _work(self) -> None:
        while True:
            conversation = await self._turns.get()
            waiting = self._waiting[conversation]
            batch = [waiting.popleft() for _ in range(min(len(waiting), AT_ONCE))]
            if batch:
                self.waiting -= len(batch)
                self.under_way += len(batch)
                error = await self._flush(batch)
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
        """Those behind a failed batch would wait as long to fail, or overtake it."""
        drafts: list[Draft] = []
        for conversation in conversations:
            drafts += self._waiting[conversation]
            self._waiting[conversation].clear()
        self.waiting -= len(drafts)
        self._refuse(conversations, drafts, error)
