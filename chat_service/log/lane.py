"""A lane commits the drafts of its conversations: messages in batches, one batch at a time.

What arrives during a commit is the next batch, so batches are large exactly when the load is. Edits
and deletions, and whatever is sent to their conversations meanwhile, go through the serial lane.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import partial

from chat_service.log.commit import Commit
from chat_service.log.counts import LogCounts
from chat_service.log.entries import Committed, Draft, Kind
from chat_service.log.heads import Heads
from chat_service.log.in_doubt import InDoubtWrites
from chat_service.log.serial import Flush, SerialLane
from chat_service.log.store import EntryStore, Uncertain
from shared.errors import InternalError, ServiceError, Unavailable
from shared.observability.logs import get_logger
from shared.tasks import together

log = get_logger("message_log")

OnCommit = Callable[[Sequence[Committed]], None]
"""Called with what became durable; it settles the drafts, and must not block."""


class Lane:
    """Commits what is submitted, and settles it; each conversation keeps its order."""

    def __init__(
        self,
        store: EntryStore,
        heads: Heads,
        in_doubt: InDoubtWrites,
        counts: LogCounts,
        batch: int,
        clock: Callable[[], float],
    ) -> None:
        """`batch` is the most messages in one commit."""
        self._store = store
        self._heads = heads
        self._in_doubt = in_doubt
        self._counts = counts
        self._batch = batch
        self._clock = clock
        self._waiting: deque[Draft] = deque()
        self._under_way = 0
        self._serial = SerialLane(self._refuse_behind)
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def submit(self, draft: Draft) -> None:
        self._waiting.append(draft)
        if not self._work.is_set():
            self._work.set()
            self._idle.clear()

    async def run(self, on_commit: OnCommit) -> None:
        """Commit until cancelled; whatever still waits then is refused."""
        flush = partial(self._flush, on_commit)
        try:
            await together(self._commit(flush), self._serial.run(flush))
        finally:
            self._refuse_waiting(Unavailable("The service is stopping.", retry_after=1.0))

    async def drained(self) -> None:
        """Returns once nothing waits and nothing is being committed."""
        await self._idle.wait()
        await self._serial.idle.wait()

    @property
    def waiting(self) -> int:
        return len(self._waiting) + self._serial.waiting

    @property
    def under_way(self) -> int:
        """Drafts that are being committed."""
        return self._under_way + self._serial.under_way

    async def _commit(self, flush: Flush) -> None:
        while True:
            await self._work.wait()
            while self._waiting:
                await asyncio.sleep(0)  # what this turn of the event loop submits joins the batch
                batch = self._next_batch()
                if not batch:
                    continue
                self._under_way = len(batch)
                error = await flush(batch)
                self._under_way = 0
                if isinstance(error, Unavailable):
                    self._refuse_waiting(error)
            self._work.clear()
            self._idle.set()

    def _next_batch(self) -> list[Draft]:
        """The messages to commit next.

        Edits, deletions and what follows them in their conversations move to the serial lane, as
        soon as nothing of the conversation is before them here.
        """
        batch: list[Draft] = []
        kept: list[Draft] = []
        kept_conversations: set[str] = set()
        for _ in range(min(len(self._waiting), self._batch)):
            draft = self._waiting.popleft()
            conversation = draft.conversation.id
            if conversation in kept_conversations:
                kept.append(draft)
            elif conversation in self._serial:
                self._serial.submit(draft)
            elif draft.kind is Kind.MESSAGE:
                batch.append(draft)
            elif any(before.conversation.id == conversation for before in batch):
                kept_conversations.add(conversation)
                kept.append(draft)
            else:
                self._serial.submit(draft)
        self._waiting.extendleft(reversed(kept))
        return batch

    async def _flush(self, on_commit: OnCommit, batch: list[Draft]) -> ServiceError | None:
        """Commit `batch` and settle all its drafts; returns why some are in doubt, if any are."""
        commit = Commit(self._store, self._heads, batch, self._clock, self._in_doubt.late)
        error: ServiceError = Unavailable("The service is stopping.", retry_after=1.0)
        try:
            await commit.run()
        except Uncertain as uncertain:
            error = uncertain.error
        except Unavailable as refusal:
            error = refusal
        except Exception:
            log.exception("a commit failed", size=len(batch))
            error = InternalError("The message could not be stored; the fault was logged.")
        finally:
            self._settle(commit, on_commit, error)
        return error if commit.remaining else None

    def _settle(self, commit: Commit, on_commit: OnCommit, error: ServiceError) -> None:
        self._count(commit)
        if commit.committed:
            try:
                on_commit(commit.committed)
            except Exception:
                log.exception("durable entries were not delivered", size=len(commit.committed))
        for draft, refusal in commit.refused:
            draft.settle(draft, refusal, False)
        for draft in commit.remaining:
            self._heads.forget(draft.conversation.id)
            self._in_doubt.note(draft.conversation, commit.late.get(draft.conversation.id))
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

    def _refuse_waiting(self, error: Unavailable) -> None:
        """Drafts behind a failed batch would wait as long only to fail, or would overtake it."""
        refused = list(self._waiting)
        self._waiting.clear()
        self._refuse(refused, error)

    def _refuse_behind(
        self, conversations: Collection[str], drafts: list[Draft], error: Unavailable
    ) -> None:
        """Refuse `drafts` of the serial lane, and what waits here for the same conversations."""
        waiting = list(self._waiting)
        self._waiting.clear()
        for draft in waiting:
            behind = draft.conversation.id in conversations
            (drafts if behind else self._waiting).append(draft)
        self._refuse(drafts, error)

    def _refuse(self, refused: list[Draft], error: Unavailable) -> None:
        self._counts.failed += len(refused)
        for draft in refused:
            draft.settle(draft, error, False)
