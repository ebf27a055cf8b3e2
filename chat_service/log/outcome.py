"""What becomes of a batch of drafts while it is committed."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from chat_service.log.entries import Committed, Draft, Entry
from chat_service.log.store import Uncertain
from shared.errors import IdConflict, ServiceError

GIVE_UP_SECONDS = 5.0
"""How long a commit keeps trying through elections and dropped connections."""


class Outcome:
    """Drafts by what became of them: `committed` are durable, `refused` never will be, and
    `remaining` are undecided: in doubt, once the commit has ended."""

    def __init__(self, batch: Sequence[Draft]) -> None:
        self.remaining = list(batch)
        self.committed: list[Committed] = []
        self.refused: list[tuple[Draft, ServiceError]] = []
        self.began_at = time.monotonic()
        self._setbacks = 0

    def refuse(self, draft: Draft, error: ServiceError) -> None:
        self.remaining.remove(draft)
        self.refused.append((draft, error))

    def accept_first(self, durable: Sequence[Entry]) -> None:
        """The first drafts that remain became these entries."""
        count = len(durable)
        self.committed += map(Committed, self.remaining[:count], durable)
        del self.remaining[:count]

    def accept(self, durable: Iterable[tuple[Draft, Entry]]) -> None:
        """These drafts became these entries."""
        done = set()
        for draft, entry in durable:
            self.committed.append(Committed(draft, entry))
            done.add(draft)
        self.remaining = [draft for draft in self.remaining if draft not in done]

    def answer(self, stored: Mapping[UUID, Entry]) -> None:
        """Answer each draft whose id is stored already as it was answered the first time."""
        unanswered = []
        for draft in self.remaining:
            entry = stored.get(draft.id)
            if entry is None:
                unanswered.append(draft)
            elif draft.is_answered_by(entry):
                self.committed.append(Committed(draft, entry, True))
            else:
                self.refused.append((draft, IdConflict("This id names another entry.")))
        self.remaining = unanswered

    async def set_back(self, error: ServiceError) -> None:
        """Pause before the next attempt. Raises `Uncertain` once `GIVE_UP_SECONDS` have passed."""
        if time.monotonic() >= self.began_at + GIVE_UP_SECONDS:
            raise Uncertain(error)
        self._setbacks += 1
        await asyncio.sleep(min(0.005 * 2**self._setbacks, 0.5))


def entry_of(draft: Draft, seq: int, at: int) -> Entry:
    """The entry that `draft` becomes at position `seq`, written at `at` (ms since the epoch)."""
    return Entry(
        conversation=draft.conversation.id,
        seq=seq,
        id=draft.id,
        sender=draft.sender,
        text=draft.text,
        timestamp=datetime.fromtimestamp(at / 1000, UTC),
        sent_at=draft.sent_at,
        kind=draft.kind,
        message=draft.target,
    )
