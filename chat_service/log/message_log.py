"""The message log: append by group commit.

A commit numbers its drafts from the remembered heads and inserts them in order. The unique index on
(convo, seq) makes the numbers right across instances; the memory only makes that fast. What a
majority has not confirmed counts as not stored. It must never know a socket or the broker.
"""

import time
from collections.abc import Callable
from zlib import crc32

from msgspec import Struct

from chat_service.log.counts import LogCounts
from chat_service.log.entries import Draft
from chat_service.log.heads import Heads
from chat_service.log.in_doubt import InDoubtWrites, OnDoubt
from chat_service.log.lane import Lane, OnCommit
from chat_service.log.store import EntryStore
from shared.errors import Unavailable
from shared.tasks import together


class LogSettings(Struct, frozen=True):
    """`lanes` commit at the same time, each `batch` messages at most; a lane refuses drafts while
    `max_pending` wait in it."""

    lanes: int = 1
    batch: int = 256
    max_pending: int = 20_000


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
            Lane(store, self.heads, self._in_doubt, self.counts, settings.batch, clock)
            for _ in range(settings.lanes)
        ]
        self._max_pending = settings.max_pending

    def submit(self, draft: Draft) -> None:
        """Queue `draft`; its `settle` is called once it is durable or refused.

        Raises `Unavailable` while too many drafts wait.
        """
        lanes = self._lanes
        lane = lanes[0 if len(lanes) == 1 else crc32(draft.conversation.id.encode()) % len(lanes)]
        if lane.waiting >= self._max_pending:
            self.counts.failed += 1
            raise Unavailable("Too many messages wait for the database.", retry_after=1.0)
        lane.submit(draft)

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

    @property
    def under_way(self) -> int:
        """Drafts that are being committed."""
        return sum(lane.under_way for lane in self._lanes)

    @property
    def pending(self) -> int:
        """Drafts that are not settled."""
        return self.under_way + sum(lane.waiting for lane in self._lanes)
