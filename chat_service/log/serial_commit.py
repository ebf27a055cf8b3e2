"""Commits to conversations in which others write at the same time.

Messages are *placed* first: inserted for many conversations at once, without waiting for a
majority, at positions after the newest entry that the primary has; who loses a race for a position
tries the next one. Then they are *secured* together: one write waits until a majority has journaled
everything before it.

An entry that another instance has just written may still be rolled back, and ours after it would
leave a gap. That cannot be so where one primary in one term showed theirs, took ours and secured
both: then they are lost together or not at all. The replies name the term by its `electionId`.
Where it differs, what is durable is looked up, and a position that was rolled back is filled.
"""

from collections import deque
from collections.abc import Callable, Sequence
from uuid import uuid4

from msgspec import Struct

from chat_service.log.entries import Draft, Entry, Head, Kind, milliseconds
from chat_service.log.heads import Heads
from chat_service.log.outcome import Outcome, entry_of
from chat_service.log.store import EntryStore, Refusal, Uncertain
from shared.errors import (
    InternalError,
    MessageDeleted,
    NotSender,
    Unavailable,
    UnknownMessage,
)
from shared.observability.logs import get_logger

log = get_logger("commit")

RACES = 16
"""Positions that a message may lose to others in one attempt."""
LOOKED_BELOW = 1000
"""Positions below an entry that are checked after an election: more than one term can hold
unconfirmed."""


class _Placed(Struct, frozen=True, eq=False):
    """Where a draft was placed, and in which term of the primary."""

    draft: Draft
    entry: Entry
    term: object


class SerialCommit:
    """Commits messages of several conversations, each conversation's in their order."""

    def __init__(
        self,
        store: EntryStore,
        heads: Heads,
        batch: Sequence[Draft],
        clock: Callable[[], float],
    ) -> None:
        self.outcome = Outcome(batch)
        self._store = store
        self._heads = heads
        self._clock = clock

    async def run(self) -> None:
        """Raises `Unavailable` or `Uncertain`; both leave drafts in `outcome.remaining`."""
        outcome = self.outcome
        while outcome.remaining:
            term = self._store.term
            placed: list[_Placed] = []
            repeated: list[Draft] = []
            try:
                await self._place(placed, repeated)
                secured = await self._store.secure()
                if term is not None and all(one.term == term for one in placed) and secured == term:
                    self._accept(placed)
                else:
                    await self._look_up(placed)
                if repeated:
                    await self._answer(repeated)
            except Uncertain as uncertain:
                for draft in outcome.remaining:
                    self._heads.forget(draft.conversation.id)
                await outcome.set_back(uncertain.error)

    async def _place(self, placed: list[_Placed], repeated: list[Draft]) -> None:
        """Give each draft a position, but for those that lose too many races."""
        waiting: dict[str, deque[Draft]] = {}
        for draft in self.outcome.remaining:
            waiting.setdefault(draft.conversation.id, deque()).append(draft)
        heads: dict[str, Head] = {}
        for _ in range(RACES):
            if not waiting:
                return
            unknown = waiting.keys() - heads.keys()
            if unknown:
                heads.update(await self._store.latest_heads(unknown))
            moment = int(self._clock() * 1000)
            entries = [
                entry_of(drafts[0], heads[id].seq + 1, max(moment, heads[id].at))
                for id, drafts in waiting.items()
            ]
            result = await self._store.place(entries)
            for number, entry in enumerate(entries):
                id = entry.conversation
                drafts = waiting[id]
                refusal = result.refusals.get(number)
                if refusal is Refusal.POSITION_TAKEN:
                    del heads[id]
                    continue
                draft = drafts.popleft()
                if refusal is None:
                    placed.append(_Placed(draft, entry, result.term))
                    heads[id] = head_of(entry)
                elif refusal is Refusal.ID_TAKEN:
                    repeated.append(draft)
                else:
                    log.error("the database refused an entry as invalid", conversation=id)
                    self.outcome.refuse(draft, InternalError("The message could not be stored."))
                if not drafts:
                    del waiting[id]

    def _accept(self, placed: Sequence[_Placed]) -> None:
        self.outcome.accept([(one.draft, one.entry) for one in placed])
        for one in placed:
            self._remember(one.entry)

    def _remember(self, entry: Entry) -> None:
        known = self._heads.get(entry.conversation)
        if known is None or known.seq < entry.seq:  # perhaps theirs is known already
            self._heads.put(entry.conversation, head_of(entry))

    async def _look_up(self, placed: Sequence[_Placed]) -> None:
        """Accept what a majority has, once it has everything below, too."""
        if not placed:
            return
        await self._store.settled_heads({one.entry.conversation for one in placed})
        stored = await self._store.by_ids([one.draft.id for one in placed])
        durable = [one for one in placed if one.draft.id in stored]
        lowest: dict[str, Entry] = {}
        for one in durable:
            lowest.setdefault(one.entry.conversation, one.entry)
        for entry in lowest.values():
            await self._fill_below(entry)
        self._accept(durable)
        for one in placed:
            if one.draft.id not in stored:
                self._heads.forget(one.entry.conversation)

    async def _fill_below(self, entry: Entry) -> None:
        """Fill positions that were rolled back by the deletion of a message that never was."""
        first = max(1, entry.seq - LOOKED_BELOW)
        present = await self._store.positions(entry.conversation, first, entry.seq)
        missing = [seq for seq in range(first, entry.seq) if seq not in present]
        if not missing:
            return
        log.warning("filling a gap", conversation=entry.conversation, size=len(missing))
        await self._store.place([filler(entry, seq) for seq in missing])
        await self._store.secure()

    async def _answer(self, repeated: Sequence[Draft]) -> None:
        stored = await self._store.by_ids([draft.id for draft in repeated])
        self.outcome.answer(stored)
        if len(stored) < len({draft.id for draft in repeated}):
            raise Uncertain(Unavailable("The message is not durable yet.", retry_after=1.0))


class AmendCommit:
    """Commits one edit or deletion, in a transaction that reads the head and writes after it."""

    def __init__(
        self, store: EntryStore, heads: Heads, draft: Draft, clock: Callable[[], float]
    ) -> None:
        self.outcome = Outcome([draft])
        self._store = store
        self._heads = heads
        self._draft = draft
        self._clock = clock

    async def run(self) -> None:
        """Raises `Unavailable` or `Uncertain`; both leave the draft in `outcome.remaining`."""
        outcome, draft = self.outcome, self._draft
        while outcome.remaining:
            try:
                amended = await self._store.amend(entry_of(draft, 0, int(self._clock() * 1000)))
            except (UnknownMessage, NotSender, MessageDeleted) as refusal:
                outcome.refuse(draft, refusal)
            except Uncertain as uncertain:
                await outcome.set_back(uncertain.error)
            else:
                if isinstance(amended, Entry):
                    outcome.accept([(draft, amended)])
                    self._heads.put(amended.conversation, head_of(amended))
                elif amended is Refusal.INVALID:
                    outcome.refuse(draft, InternalError("The change could not be stored."))
                else:
                    outcome.answer(await self._store.by_ids([draft.id]))
                    if outcome.remaining:
                        await outcome.set_back(
                            Unavailable("The change is not durable yet.", retry_after=1.0)
                        )


def head_of(entry: Entry) -> Head:
    return Head(entry.seq, milliseconds(entry.timestamp))


def filler(above: Entry, seq: int) -> Entry:
    """An entry that every client passes over: it deletes a message that does not exist."""
    id = uuid4()
    return Entry(
        conversation=above.conversation,
        seq=seq,
        id=id,
        sender=above.sender,
        text=None,
        timestamp=above.timestamp,
        kind=Kind.DELETE,
        message=id,
    )
