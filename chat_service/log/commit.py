"""A lane's group commit: number the messages of a batch, and insert them in order.

It never waits for one conversation: what meets a position that somebody else took, or an id that is
stored and not yet durable, leaves the batch for the serial lane.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from chat_service.log.entries import EMPTY, Draft, Entry, Head, milliseconds
from chat_service.log.heads import Heads
from chat_service.log.outcome import Outcome
from chat_service.log.store import EntryStore, Refusal, Uncertain
from shared.errors import InternalError
from shared.observability.logs import get_logger

log = get_logger("commit")


class Commit:
    """Commits one batch of messages, each conversation's in their order."""

    def __init__(
        self,
        store: EntryStore,
        heads: Heads,
        batch: Sequence[Draft],
        clock: Callable[[], float],
    ) -> None:
        self.outcome = Outcome(batch)
        self.collided: list[Draft] = []
        """Once `run` has returned: what the serial lane has to commit, in this order."""
        self._store = store
        self._heads = heads
        self._clock = clock

    async def run(self) -> None:
        """Raises `Unavailable` or `Uncertain`; both leave drafts in `outcome.remaining`."""
        outcome = self.outcome
        while outcome.remaining:
            entries: list[Entry] = []
            try:
                await self._load_heads()
                entries = self._number()
                result = await self._store.insert(entries)
            except Uncertain as uncertain:
                # Inserting the same entries again is harmless: a stored id is a duplicate key.
                for draft in outcome.remaining:
                    self._heads.forget(draft.conversation.id)
                await outcome.set_back(uncertain.error)
                continue
            self._accept(entries[: result.count])
            if result.refusal is None:
                continue
            refused = entries[result.count]
            match result.refusal:
                case Refusal.ID_TAKEN:
                    await self._answer_repeats(refused)
                case Refusal.POSITION_TAKEN:
                    await self._let_go(refused)
                case Refusal.INVALID:
                    log.error("the database refused an entry as invalid", reason=result.reason)
                    outcome.refuse(
                        outcome.remaining[0], InternalError("The message could not be stored.")
                    )

    async def _load_heads(self) -> None:
        missing = {
            draft.conversation.id
            for draft in self.outcome.remaining
            if self._heads.get(draft.conversation.id) is None
        }
        if missing:
            for conversation, head in (await self._store.heads(missing)).items():
                self._heads.put(conversation, head)

    def _number(self) -> list[Entry]:
        moment = int(self._clock() * 1000)
        stamp = _datetime(moment)
        ahead: dict[str, Head] = {}
        entries: list[Entry] = []
        for draft in self.outcome.remaining:
            conversation = draft.conversation.id
            head = ahead.get(conversation) or self._heads.get(conversation) or EMPTY
            at = max(moment, head.at)  # time does not run backwards within a conversation
            entry = Entry(
                conversation=conversation,
                seq=head.seq + 1,
                id=draft.id,
                sender=draft.sender,
                text=draft.text,
                timestamp=stamp if at == moment else _datetime(at),
                sent_at=draft.sent_at,
            )
            ahead[conversation] = Head(entry.seq, at)
            entries.append(entry)
        return entries

    def _accept(self, durable: list[Entry]) -> None:
        outcome = self.outcome
        outcome.accept_first(durable)
        for entry in durable:
            self._heads.put(entry.conversation, Head(entry.seq, milliseconds(entry.timestamp)))

    async def _answer_repeats(self, refused: Entry) -> None:
        stored = await self._store.by_ids({draft.id for draft in self.outcome.remaining})
        self.outcome.answer(stored)
        if refused.id not in stored:  # a majority does not have it yet
            self._move({refused.conversation})

    async def _let_go(self, refused: Entry) -> None:
        """Another instance writes to this conversation, and perhaps to others of the batch."""
        conversations = {draft.conversation.id for draft in self.outcome.remaining}
        heads = await self._store.latest_heads(conversations)
        taken = {id for id, head in heads.items() if head.seq != self._seq(id)}
        self._move(taken | {refused.conversation})

    def _seq(self, conversation: str) -> int | None:
        known = self._heads.get(conversation)
        return None if known is None else known.seq

    def _move(self, conversations: set[str]) -> None:
        remaining = self.outcome.remaining
        self.collided += [d for d in remaining if d.conversation.id in conversations]
        self.outcome.remaining = [d for d in remaining if d.conversation.id not in conversations]


def _datetime(milliseconds_: int) -> datetime:
    return datetime.fromtimestamp(milliseconds_ / 1000, UTC)
