"""The message log: append by group commit.

A commit numbers its drafts from the remembered heads and inserts them in order. The unique index on
(convo, seq) makes the numbers right across instances; the memory only makes that fast. What a
majority has not confirmed counts as not stored. It must never know a socket or the broker.
"""

import time
from collections.abc import Callable
from zlib import crc32

from chat_service.log.bounds import LogSettings, busy
from chat_service.log.counts import LogCounts
from chat_service.log.entries import Draft
from chat_service.log.heads import Heads
from chat_service.log.in_doubt import InDoubtWrites, OnDoubt
from chat_service.log.lane import Lane, OnCommit
from chat_service.log.store import EntryStore
from shared.tasks import together


class MessageLog:
    """Appends drafts to the logs of their conversations."""

    def __init__(
        self, store: EntryStore, settings: LogSettings, clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` gives seconds since the epoch, the same on all instances."""
        self.heads = Heads()
        self.counts = LogCounts()
        self._in_doubt = InDoubtWrites(store)
        self._lanes = [
            Lane(store, self.heads, self._in_doubt, self.counts, settings, clock)
            for _ in range(settings.lanes)
        ]
        self._max_pending = settings.max_pending

    def submit(self, draft: Draft) -> None:
        """Queue `draft`; its `settle` is called once it is durable or refused.

        Raises `Unavailable` where it would wait too long, or too many drafts wait.
        """
        lane = self._lane(draft.conversation.id)
        if lane.waiting >= self._max_pending:
            self.counts.failed += 1
            raise busy()
        lane.submit(draft)

    def observe(self, conversation: str, seq: int, at: int) -> None:
        """Another instance committed this entry, at `at` (milliseconds since the epoch)."""
        self.heads.observe(conversation, seq, at)
        self._lane(conversation).observed(conversation)

    async def run(self, on_commit: OnCommit, on_doubt: OnDoubt) -> None:
        """Commit until cancelled.

        `on_commit` gets each batch that became durable, and has to settle its drafts. `on_doubt`
        gets the conversations of drafts that were refused although they may have been stored.
        """
        await together(self._in_doubt.run(on_doubt), *(lane.run(on_commit) for lane in self._lanes))

    async def drained(self) -> None:
        """Returns once nothing waits and nothing is being committed."""
        for lane in self._lanes:
            await lane.drained()

    def _lane(self, conversation: str) -> Lane:
        lanes = self._lanes
        return lanes[0 if len(lanes) == 1 else crc32(conversation.encode()) % len(lanes)]

    @property
    def under_way(self) -> int:
        """Drafts that are being committed."""
        return sum(lane.under_way for lane in self._lanes)

    @property
    def pending(self) -> int:
        """Drafts that are not settled."""
        return self.under_way + sum(lane.waiting for lane in self._lanes)
