"""The serial lane: conversations that need care, apart from the batches of all others.

These are conversations in which something is edited or deleted, and those to which another instance
writes at the same time. While something of a conversation waits here or is under way, everything
that is sent to it goes this way, which keeps each sender's entries in order. Conversations take
turns; edits and deletions have workers of their own, so that they do not hold up messages.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

from chat_service.log.entries import Draft, Kind
from shared.errors import ServiceError, Unavailable
from shared.tasks import together

AMENDERS = 4
"""Conversations in which something is edited or deleted at once. A conflict in one of them delays
only that one."""
AT_ONCE = 8
"""Drafts of a conversation in one turn; then another conversation has its turn."""

Flush = Callable[[list[Draft]], Awaitable[ServiceError | None]]
"""Commits drafts and settles all of them; returns why some are in doubt, if any are."""
Refuse = Callable[[Collection[str], Unavailable], None]
"""Settles with an error what waits of these conversations: it would wait as long only to fail, or
would overtake what has failed."""


class _Queue:
    """Conversations whose turn comes."""

    def __init__(self) -> None:
        self.ready: deque[str] = deque()
        self.work = asyncio.Event()

    def add(self, conversation: str) -> None:
        self.ready.append(conversation)
        self.work.set()

    async def draw(self, most: int) -> list[str]:
        """At least one conversation, `most` at most."""
        while not self.ready:
            self.work.clear()
            await self.work.wait()
            await asyncio.sleep(0)  # what this turn of the event loop submits joins the batch
        return [self.ready.popleft() for _ in range(min(most, len(self.ready)))]


class SerialLane:
    """Drafts of conversations that are committed one step at a time."""

    def __init__(self, batch: int, refuse: Refuse) -> None:
        """`batch` is the most messages in one commit."""
        self._batch = batch
        self._refuse = refuse
        self._waiting: dict[str, deque[Draft]] = {}
        self._messages = _Queue()
        self._amendments = _Queue()
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
        waiting = self._waiting.get(conversation)
        if waiting is None:
            self._waiting[conversation] = deque((draft,))
            self._enqueue(conversation)
            self.idle.clear()
        else:
            waiting.append(draft)
        self.waiting += 1

    async def run(self, commit_messages: Flush, commit_amendment: Flush) -> None:
        """Commit until cancelled; whatever still waits then is refused."""
        try:
            await together(
                self._commit_messages(commit_messages),
                *(self._amend(commit_amendment) for _ in range(AMENDERS)),
            )
        finally:
            self._refuse(
                list(self._waiting), Unavailable("The service is stopping.", retry_after=1.0)
            )

    def overdue(self, seconds: float) -> set[str]:
        """The conversations in which something has waited longer than `seconds`."""
        before = time.monotonic() - seconds
        return {
            conversation
            for conversation, waiting in self._waiting.items()
            if waiting and waiting[0].came_at < before
        }

    def take(self, conversations: Iterable[str]) -> list[Draft]:
        """Take out what waits of these conversations; what is under way goes on."""
        taken: list[Draft] = []
        for conversation in conversations:
            waiting = self._waiting.get(conversation)
            if waiting:
                taken += waiting
                waiting.clear()
        self.waiting -= len(taken)
        return taken

    async def _commit_messages(self, flush: Flush) -> None:
        while True:
            conversations = await self._messages.draw(self._batch)
            batch: list[Draft] = []
            for conversation in conversations:
                batch += self._first_messages(self._waiting[conversation])
            await self._commit(flush, conversations, batch)

    async def _amend(self, flush: Flush) -> None:
        while True:
            (conversation,) = await self._amendments.draw(1)
            waiting = self._waiting[conversation]
            for _ in range(AT_ONCE):
                if not waiting or waiting[0].kind is Kind.MESSAGE:
                    break
                await self._flush(flush, [conversation], [waiting.popleft()])
            self._go_on([conversation])

    def _first_messages(self, waiting: deque[Draft]) -> list[Draft]:
        batch: list[Draft] = []
        while waiting and waiting[0].kind is Kind.MESSAGE and len(batch) < AT_ONCE:
            batch.append(waiting.popleft())
        return batch

    async def _commit(self, flush: Flush, conversations: Sequence[str], batch: list[Draft]) -> None:
        if batch:
            await self._flush(flush, conversations, batch)
        self._go_on(conversations)

    async def _flush(self, flush: Flush, conversations: Sequence[str], batch: list[Draft]) -> None:
        self.waiting -= len(batch)
        self.under_way += len(batch)
        error = await flush(batch)
        self.under_way -= len(batch)
        if isinstance(error, Unavailable):
            self._refuse(conversations, error)

    def _go_on(self, conversations: Sequence[str]) -> None:
        """The turn of these conversations is over."""
        for conversation in conversations:
            if self._waiting[conversation]:
                self._enqueue(conversation)
            else:
                del self._waiting[conversation]
        if not self._waiting:
            self.idle.set()

    def _enqueue(self, conversation: str) -> None:
        first = self._waiting[conversation][0]
        (self._messages if first.kind is Kind.MESSAGE else self._amendments).add(conversation)
