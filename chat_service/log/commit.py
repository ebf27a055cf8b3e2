"""One group commit: number the drafts, insert them, and resolve what the unique indexes refuse."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from chat_service.log.entries import Committed, Draft, Entry, Head, Kind, milliseconds
from chat_service.log.heads import Heads
from chat_service.log.store import Busy, EntryStore, Refusal, Uncertain
from shared.errors import (
    IdConflict,
    InternalError,
    MessageDeleted,
    NotSender,
    ServiceError,
    Unavailable,
    UnknownMessage,
)
from shared.observability.logs import get_logger

log = get_logger("commit")

GIVE_UP_SECONDS = 5.0
"""How long a commit keeps trying through elections and dropped connections."""


class Commit:
    """Commits one batch.

    When `run` has returned or raised, `committed` are durable, `refused` never will be, and
    `remaining` are in doubt. `late` gives the position of a conversation after which entries may
    not have been readable when they were written.
    """

    def __init__(
        self,
        store: EntryStore,
        heads: Heads,
        batch: Sequence[Draft],
        clock: Callable[[], float],
        late: Mapping[str, int],
    ) -> None:
        """`late` is what earlier commits left."""
        self._clock = clock
        self.remaining = list(batch)
        self.committed: list[Committed] = []
        self.refused: list[tuple[Draft, ServiceError]] = []
        self.late = dict(late)
        self._store = store
        self._heads = heads
        self.began_at = time.monotonic()
        self._deadline = self.began_at + GIVE_UP_SECONDS
        self._setbacks = 0

    async def run(self) -> None:
        """Raises `Unavailable` or `Uncertain`; both leave drafts in `remaining`."""
        while self.remaining:
            numbered: list[Committed] = []
            try:
                await self._load_heads()
                numbered = self._number()
                if numbered[0].entry.kind is Kind.MESSAGE:
                    result = await self._store.insert([item.entry for item in numbered])
                else:
                    result = await self._store.amend(numbered[0].entry)
            except (UnknownMessage, NotSender, MessageDeleted) as refusal:
                self._refuse_first(refusal)
                continue
            except Uncertain as uncertain:
                # Inserting the same entries again is harmless: a stored id is a duplicate key.
                for item in numbered:
                    self.late.setdefault(item.entry.conversation, item.entry.seq - 1)
                for draft in self.remaining:
                    self._heads.forget(draft.conversation.id)
                await self._set_back(uncertain.error)
                continue
            self._accept(numbered[: result.count])
            match result.refusal:
                case Refusal.ID_TAKEN:
                    await self._answer_repeats(numbered[result.count].entry)
                case Refusal.POSITION_TAKEN:
                    await self._renumber(numbered[result.count].entry)
                case Refusal.INVALID:
                    log.error("the database refused an entry as invalid", reason=result.reason)
                    self._refuse_first(InternalError("The message could not be stored."))

    async def _load_heads(self) -> None:
        missing = {
            draft.conversation.id
            for draft in self.remaining
            if self._heads.get(draft.conversation.id) is None
        }
        if missing:
            for conversation, head in (await self._store.heads(missing)).items():
                self._heads.put(conversation, head)

    def _number(self) -> list[Committed]:
        """Number what one write can take: a run of messages, or one edit or deletion."""
        moment = int(self._clock() * 1000)
        stamp = _datetime(moment)
        ahead: dict[str, Head] = {}
        numbered: list[Committed] = []
        for draft in self.remaining:
            if draft.kind is not Kind.MESSAGE and numbered:
                break
            conversation = draft.conversation.id
            head = ahead.get(conversation) or self._heads.get(conversation) or Head(0, 0)
            at = max(moment, head.at)  # time does not run backwards within a conversation
            entry = Entry(
                conversation=conversation,
                seq=head.seq + 1,
                id=draft.id,
                sender=draft.sender,
                text=draft.text,
                timestamp=stamp if at == moment else _datetime(at),
                sent_at=draft.sent_at,
                kind=draft.kind,
                message=draft.target,
            )
            ahead[conversation] = Head(entry.seq, at)
            late_after = self.late.get(conversation)
            numbered.append(Committed(draft, entry, head.at, False, late_after))
            if draft.kind is not Kind.MESSAGE:
                break
        return numbered

    def _accept(self, durable: list[Committed]) -> None:
        self.committed += durable
        del self.remaining[: len(durable)]
        for item in durable:
            entry = item.entry
            self._heads.put(entry.conversation, Head(entry.seq, milliseconds(entry.timestamp)))

    async def _answer_repeats(self, collided: Entry) -> None:
        """Answer each draft whose id is stored already as it was answered the first time."""
        stored = await self._store.by_ids({draft.id for draft in self.remaining})
        if collided.id not in stored:
            self.late.setdefault(collided.conversation, collided.seq - 1)
            await self._set_back(Unavailable("The message is not durable yet.", retry_after=1.0))
            return
        unanswered = []
        for draft in self.remaining:
            entry = stored.get(draft.id)
            if entry is None:
                unanswered.append(draft)
            elif draft.is_answered_by(entry):
                late_after = self.late.get(entry.conversation)
                if late_after is not None and late_after >= entry.seq:
                    late_after = None
                at = milliseconds(entry.timestamp)
                self.committed.append(Committed(draft, entry, at, True, late_after))
            else:
                self.refused.append((draft, IdConflict("This id names another entry.")))
        self.remaining = unanswered

    async def _renumber(self, collided: Entry) -> None:
        """Another writer has this position: read the true head of the conversation."""
        conversation = collided.conversation
        head = (await self._store.heads([conversation]))[conversation]
        self._heads.put(conversation, head)
        if head.seq < collided.seq:  # a majority does not have their entry yet
            self.late.setdefault(conversation, head.seq)
            await self._set_back(Busy())

    def _refuse_first(self, error: ServiceError) -> None:
        self.refused.append((self.remaining.pop(0), error))

    async def _set_back(self, error: ServiceError) -> None:
        """Pause before the next attempt. Raises `Uncertain` once `GIVE_UP_SECONDS` have passed."""
        if time.monotonic() >= self._deadline:
            raise Uncertain(error)
        self._setbacks += 1
        await asyncio.sleep(min(0.005 * 2**self._setbacks, 0.5))


def _datetime(milliseconds_: int) -> datetime:
    return datetime.fromtimestamp(milliseconds_ / 1000, UTC)
