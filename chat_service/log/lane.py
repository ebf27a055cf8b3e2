"""A lane commits the messages of its conversations in batches, one batch at a time.

What arrives during a commit is the next batch, so batches are large exactly when the load is. A
lane never waits for one conversation: edits and deletions, and everything sent to a conversation to
which another instance writes too, go through the serial lane.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import NoReturn

from chat_service.log.alternation import Alternation
from chat_service.log.bounds import LogSettings, Pace, busy
from chat_service.log.commit import Commit
from chat_service.log.counts import LogCounts
from chat_service.log.entries import Committed, Draft, Kind
from chat_service.log.heads import Heads
from chat_service.log.in_doubt import InDoubtWrites
from chat_service.log.outcome import Outcome
from chat_service.log.serial import SerialLane
from chat_service.log.serial_commit import AmendCommit, SerialCommit
from chat_service.log.store import EntryStore, Uncertain
from chat_service.log.turns import Turns
from shared.errors import InternalError, ServiceError, Unavailable
from shared.observability.logs import get_logger
from shared.tasks import every, together

log = get_logger("message_log")

SWEEP_SECONDS = 0.25
"""How often what has waited too long is looked for."""

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
        settings: LogSettings,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._heads = heads
        self._in_doubt = in_doubt
        self._counts = counts
        self._batch = settings.batch
        self._max_wait = settings.max_wait
        self._clock = clock
        self._turns = Turns()
        self._pace = Pace(settings.batch)
        self._under_way = 0
        self._alternation = Alternation(self._put_back, self._pace.patience)
        self._serial = SerialLane(settings.batch, self._refuse_behind)
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def submit(self, draft: Draft) -> None:
        """Raises `Unavailable` where `draft` would wait too long for its turn."""
        if (
            len(self._turns) > self._batch
            and self._pace.seconds(self._turns.ahead_of(draft.sender)) > self._max_wait
        ):
            self._counts.failed += 1
            raise busy()
        self._turns.add(draft)
        self._wake()

    def observed(self, conversation: str) -> None:
        """Another instance has committed an entry of this conversation."""
        self._alternation.observed(conversation)

    async def run(self, on_commit: OnCommit) -> None:
        """Commit until cancelled; whatever still waits then is refused."""
        try:
            await together(
                self._commit(on_commit),
                self._serial.run(
                    partial(self._flush_messages, on_commit),
                    partial(self._flush_amendment, on_commit),
                ),
                self._sweep(),
            )
        finally:
            stopping = Unavailable("The service is stopping.", retry_after=1.0)
            self._refuse(
                self._turns.draw(len(self._turns)) + self._alternation.take_all(), stopping
            )

    async def drained(self) -> None:
        """Returns once nothing waits and nothing is being committed."""
        self._put_back(self._alternation.take_all())
        await self._idle.wait()
        await self._serial.idle.wait()

    @property
    def waiting(self) -> int:
        return len(self._turns) + len(self._alternation) + self._serial.waiting

    @property
    def under_way(self) -> int:
        """Drafts that are being committed."""
        return self._under_way + self._serial.under_way

    def _wake(self) -> None:
        if not self._work.is_set():
            self._work.set()
            self._idle.clear()

    def _put_back(self, drafts: Sequence[Draft]) -> None:
        self._turns.put_back(drafts)
        self._wake()

    async def _commit(self, on_commit: OnCommit) -> NoReturn:
        while True:
            await self._work.wait()
            while self._turns:
                await asyncio.sleep(0)  # what this turn of the event loop submits joins the batch
                batch = self._next_batch()
                self._under_way = len(batch)
                if batch:
                    await self._flush(on_commit, batch)
                self._under_way = 0
            self._work.clear()
            self._idle.set()

    def _next_batch(self) -> list[Draft]:
        """The messages to commit next; what has to go another way does."""
        batch: list[Draft] = []
        for draft in self._turns.draw(self._batch):
            conversation = draft.conversation.id
            if draft.kind is Kind.MESSAGE and conversation not in self._serial:
                if not self._alternation.parks(draft):
                    batch.append(draft)
                continue
            before = [each for each in batch if each.conversation.id == conversation]
            for each in before:
                batch.remove(each)
            for each in (*before, *self._alternation.take([conversation]), draft):
                self._serial.submit(each)
        return batch

    async def _flush(self, on_commit: OnCommit, batch: list[Draft]) -> None:
        commit = Commit(self._store, self._heads, batch, self._clock)
        error = await self._settled(commit.outcome, commit.run, on_commit)
        if error is None:
            self._pace.committed(time.monotonic() - commit.outcome.began_at)
        for draft in commit.collided:
            self._alternation.collided(draft.conversation.id)
            self._serial.submit(draft)
        if isinstance(error, Unavailable):
            waiting = self._turns.draw(len(self._turns)) + self._alternation.take_all()
            self._refuse(waiting, error)

    async def _flush_messages(self, on_commit: OnCommit, batch: list[Draft]) -> ServiceError | None:
        commit = SerialCommit(self._store, self._heads, batch, self._clock)
        return await self._settled(commit.outcome, commit.run, on_commit)

    async def _flush_amendment(
        self, on_commit: OnCommit, batch: list[Draft]
    ) -> ServiceError | None:
        commit = AmendCommit(self._store, self._heads, batch[0], self._clock)
        return await self._settled(commit.outcome, commit.run, on_commit)

    async def _settled(
        self, outcome: Outcome, run: Callable[[], Awaitable[None]], on_commit: OnCommit
    ) -> ServiceError | None:
        """Run a commit and settle all its drafts; returns why some are in doubt, if any are."""
        error: ServiceError = Unavailable("The service is stopping.", retry_after=1.0)
        try:
            await run()
        except Uncertain as uncertain:
            error = uncertain.error
        except Unavailable as refusal:
            error = refusal
        except Exception:
            log.exception("a commit failed", size=len(outcome.remaining))
            error = InternalError("The message could not be stored; the fault was logged.")
        finally:
            self._settle(outcome, on_commit, error)
        return error if outcome.remaining else None

    def _settle(self, outcome: Outcome, on_commit: OnCommit, error: ServiceError) -> None:
        self._counts.add(outcome)
        if outcome.committed:
            try:
                on_commit(outcome.committed)
            except Exception:
                log.exception("durable entries were not delivered", size=len(outcome.committed))
        for item in outcome.committed:
            self._alternation.committed(item.entry.conversation)
        for draft, refusal in outcome.refused:
            draft.settle(draft, refusal, False)
        for draft in outcome.remaining:
            self._heads.forget(draft.conversation.id)
            self._in_doubt.note(draft.conversation)
            draft.settle(draft, error, False)

    async def _sweep(self) -> NoReturn:
        """Refuse what was not drawn in time, which no estimate foresaw."""

        async def sweep() -> None:
            late = self._turns.overdue(self._max_wait) | self._serial.overdue(self._max_wait)
            if late:
                self._refuse_behind(late, busy())

        await every(SWEEP_SECONDS, sweep)

    def _refuse_behind(self, conversations: Collection[str], error: Unavailable) -> None:
        """Refuse all that waits of these conversations, so that nothing overtakes anything."""
        self._refuse(
            self._serial.take(conversations)
            + self._alternation.take(conversations)
            + self._turns.take(lambda draft: draft.conversation.id in conversations),
            error,
        )

    def _refuse(self, refused: Sequence[Draft], error: Unavailable) -> None:
        self._counts.failed += len(refused)
        for draft in refused:
            draft.settle(draft, error, False)
