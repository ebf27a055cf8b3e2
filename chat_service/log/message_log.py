"""The message log: append by group commit, read by position.

A lane has one flush under way; what arrives meanwhile is its next batch, so batches are large
exactly when load is. Only messages are in them; edits and deletions go a way of their own. A flush
numbers its drafts from the heads it remembers and inserts them in order; the unique index on
(convo, seq) makes the numbers right between instances, the memory only makes them quick. What was
not confirmed by a majority was not stored, as far as anybody is told.
It must never know a socket or the broker.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from zlib import crc32

from msgspec import Struct

from chat_service.log.commit import Commit
from chat_service.log.counts import LogCounts
from chat_service.log.entries import Announcement, Committed, Draft, Kind
from chat_service.log.heads import Heads
from chat_service.log.in_doubt import InDoubtWrites
from chat_service.log.serial import SerialLane
from chat_service.log.store import EntryStore, Uncertain
from shared.errors import InternalError, ServiceError, Unavailable
from shared.observability.logs import get_logger
from shared.tasks import together

log = get_logger("message_log")


class LogSettings(Struct, frozen=True):
    lanes: int = 1
    batch: int = 256
    max_pending: int = 20_000


class MessageLog:
    """Appends drafts and tells `on_commit` of what became durable, `on_doubt` of what may have."""

    def __init__(
        self,
        store: EntryStore,
        settings: LogSettings,
        on_commit: Callable[[Sequence[Committed]], None],
        on_doubt: Callable[[Sequence[Announcement]], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives seconds since the epoch, the same for all instances."""
        self.heads = Heads()
        self.counts = LogCounts()
        self._doubts = InDoubtWrites(store, on_doubt)
        self._lanes = [
            _Lane(store, self.heads, settings.batch, on_commit, self._doubts, clock, self.counts)
            for _ in range(settings.lanes)
        ]
        self._max_pending = settings.max_pending

    def submit(self, draft: Draft) -> None:
        """Queue `draft`; its `settle` is called once it is durable or refused.

        Raises `Unavailable` where too many wait already.
        """
        lanes = self._lanes
        lane = lanes[0 if len(lanes) == 1 else crc32(draft.conversation.id.encode()) % len(lanes)]
        if len(lane.waiting) + lane.amendments.waiting >= self._max_pending:
            self.counts.failed += 1
            raise Unavailable("Too many messages wait for the database.", retry_after=1.0)
        lane.submit(draft)

    async def run(self) -> None:
        """Commit until cancelled."""
        await together(self._doubts.run(), *(lane.run() for lane in self._lanes))

    async def drained(self) -> None:
        """Returns once nothing waits and nothing is under way."""
        for lane in self._lanes:
            await lane.idle.wait()
            await lane.amendments.idle.wait()

    @property
    def under_way(self) -> int:
        """Drafts that are being committed."""
        return sum(lane.under_way + lane.amendments.under_way for lane in self._lanes)

    @property
    def pending(self) -> int:
        """Drafts that are not settled."""
        waiting = sum(len(lane.waiting) + lane.amendments.waiting for lane in self._lanes)
        return waiting + self.under_way


class _Lane:
    def __init__(
        self,
        store: EntryStore,
        heads: Heads,
        batch: int,
        on_commit: Callable[[Sequence[Committed]], None],
        doubts: InDoubtWrites,
        clock: Callable[[], float],
        counts: LogCounts,
    ) -> None:
        self._clock = clock
        self._counts = counts
        self.waiting: deque[Draft] = deque()
        self.amendments = SerialLane(self._flush, self._refuse_behind)
        self.under_way = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self._work = asyncio.Event()
        self._store = store
        self._heads = heads
        self._batch = batch
        self._on_commit = on_commit
        self._doubts = doubts

    def submit(self, draft: Draft) -> None:
        self.waiting.append(draft)
        if not self._work.is_set():
            self._work.set()
            self.idle.clear()

    async def run(self) -> None:
        try:
            await together(self._commit_for_ever(), self.amendments.run())
        finally:
            self._refuse_waiting(Unavailable("The service is stopping.", retry_after=1.0))

    async def _commit_for_ever(self) -> None:
        while True:
            await self._work.wait()
            await asyncio.sleep(0)  # what this turn of the event loop still submits joins the batch
            batch = self._next_batch()
            if batch:
                self.under_way = len(batch)
                error = await self._flush(batch)
                self.under_way = 0
                if isinstance(error, Unavailable):
                    self._refuse_waiting(error)
            if not self.waiting:
                self._work.clear()
                self.idle.set()

    def _next_batch(self) -> list[Draft]:
        """Messages. What is to be amended, and what follows it in its conversation, is handed over
        as soon as nothing of the conversation is before it here."""
        waiting, amendments = self.waiting, self.amendments
        batch: list[Draft] = []
        next_time: list[Draft] = []
        kept: set[str] = set()
        for _ in range(min(len(waiting), self._batch)):
            draft = waiting.popleft()
            conversation = draft.conversation.id
            if conversation in kept:
                next_time.append(draft)
            elif conversation in amendments:
                amendments.submit(draft)
            elif draft.kind is Kind.MESSAGE:
                batch.append(draft)
            elif any(before.conversation.id == conversation for before in batch):
                kept.add(conversation)
                next_time.append(draft)
            else:
                amendments.submit(draft)
        waiting.extendleft(reversed(next_time))
        return batch

    async def _flush(self, batch: list[Draft]) -> ServiceError | None:
        """Commit `batch` and settle every draft of it; returns why some are left in doubt."""
        commit = Commit(self._store, self._heads, batch, self._clock, self._doubts.late)
        error: ServiceError = Unavailable("The service is stopping.", retry_after=1.0)
        try:
            await commit.run()
        except Uncertain as doubt:
            error = doubt.error
        except Unavailable as refusal:
            error = refusal
        except Exception:
            log.exception("a commit failed", size=len(batch))
            error = InternalError("The message could not be stored; the fault was logged.")
        finally:
            self._settle(commit, error)
        return error if commit.remaining else None

    def _refuse_waiting(self, error: Unavailable) -> None:
        """Those behind a failed batch would wait as long to fail, or overtake it."""
        refused = list(self.waiting)
        self.waiting.clear()
        self._refuse(refused, error)

    def _refuse_behind(
        self, conversations: Collection[str], drafts: list[Draft], error: Unavailable
    ) -> None:
        waiting = list(self.waiting)
        self.waiting.clear()
        for draft in waiting:
            behind = draft.conversation.id in conversations
            (drafts if behind else self.waiting).append(draft)
        self._refuse(drafts, error)

    def _refuse(self, refused: list[Draft], error: Unavailable) -> None:
        self._counts.failed += len(refused)
        for draft in refused:
            draft.settle(draft, error, False)

    def _settle(self, commit: Commit, error: ServiceError) -> None:
        self._count(commit)
        if commit.committed:
            try:
                self._on_commit(commit.committed)
            except Exception:
                log.exception("durable entries could not be handed on", size=len(commit.committed))
        for draft, refusal in commit.refused:
            draft.settle(draft, refusal, False)
        for draft in commit.remaining:
            self._heads.forget(draft.conversation.id)
            self._doubts.note(draft.conversation, commit.late.get(draft.conversation.id))
            draft.settle(draft, error, False)

    def _count(self, commit: Commit) -> None:
        counts = self._counts
        counts.seconds.add(time.monotonic() - commit.began_at)
        counts.sizes.add(len(commit.committed) + len(commit.refused) + len(commit.remaining))
        repeated = sum(item.repeated for item in commit.committed)
        counts.committed += len(commit.committed) - repeated
        counts.repeated += repeated
        counts.refused += len(commit.refused)
        counts.failed += len(commit.remaining)
