"""Catch-up: everything after a device's cursors, bounded, while live events wait their turn."""

from collections.abc import Mapping
from contextlib import aclosing

from msgspec import Struct

from chat_service.delivery import as_log_event
from chat_service.inbox import InboxStore
from chat_service.log import Conversation, EntryStore
from chat_service.protocol import ResumedConversation, encode
from shared.errors import FieldProblem, InvalidInput, NotParticipant
from shared.fair import FairLimit

READ_AT_ONCE = 256
"""Entries in one read: at most 4 MiB, with the longest texts."""


class ResumeLimits(Struct, frozen=True):
    """A device names at most so many `conversations`, and is told the heads of as many, the newest.
    It is sent at most so many `entries` of one conversation, so many in `total`, and so many
    `bytes` of them; the first entry is sent even where it alone has more."""

    conversations: int
    entries: int
    total: int
    bytes: int


class CatchUp(Struct, frozen=True):
    """What a device missed: `events` in order, and how each conversation stands after them.

    Events are encoded already, so that a slow peer keeps only bytes waiting. `covered` are the
    positions up to which live events must not come again.
    """

    events: list[bytes]
    conversations: dict[str, ResumedConversation]
    covered: dict[str, int]


class Resumption:
    """Reads what devices missed, within `limits`."""

    def __init__(
        self,
        inbox: InboxStore,
        store: EntryStore,
        reads: FairLimit,
        limits: ResumeLimits,
    ) -> None:
        """`reads` bounds how many resumes read at once."""
        self._inbox = inbox
        self._store = store
        self._reads = reads
        self._limits = limits

    async def catch_up(
        self, employee: str, cursors: Mapping[str, int], *, only: bool = False
    ) -> CatchUp:
        """Everything after `cursors`, as far as the limits go.

        Unless `only` is set, the newest of the employee's other conversations are named with their
        heads. Call it only while the socket's live events are held. Raises `InvalidInput`,
        `NotParticipant` or `Unavailable`.
        """
        if len(cursors) > self._limits.conversations:
            raise InvalidInput(
                f"A resume names at most {self._limits.conversations} conversations.",
                problems=(FieldProblem("$.cursors", f"has {len(cursors)}"),),
            )
        async with self._reads.turn(employee):
            return await self._read(employee, cursors, only)

    async def _read(self, employee: str, cursors: Mapping[str, int], only: bool) -> CatchUp:
        named = await self._inbox.of(employee, cursors)
        for conversation in cursors:
            if conversation not in named:
                raise NotParticipant(f"You do not take part in a conversation {conversation!r}.")
        most = self._limits.conversations
        others = {} if only else await self._inbox.newest_of(employee, most)
        heads = await self._store.heads({**others, **named})
        events, sent = await self._missed(cursors, named, {id: heads[id].seq for id in named})
        conversations = {
            id: ResumedConversation(
                head=head.seq,
                complete=id in cursors and sent[id] >= head.seq,
            )
            for id, head in heads.items()
            if head.seq
        }
        covered = {id: heads[id].seq for id in named}
        return CatchUp(events, conversations, covered)

    async def _missed(
        self,
        cursors: Mapping[str, int],
        named: Mapping[str, Conversation],
        heads: Mapping[str, int],
    ) -> tuple[list[bytes], dict[str, int]]:
        """Events after the cursors, and where each conversation ends with them. Where they are too
        many, the oldest of each."""
        wanted: dict[str, int] = {}
        stop: dict[str, int] = {}
        total = 0
        for id, cursor in cursors.items():
            count = min(heads[id] - cursor, self._limits.entries, self._limits.total - total)
            if count > 0:
                wanted[id] = cursor
                stop[id] = cursor + count + 1
                total += count
        events: list[bytes] = []
        sent = dict(cursors)
        if not wanted:
            return events, sent
        left = self._limits.bytes
        found = self._store.after(wanted, before=stop, limit=total, at_once=READ_AT_ONCE)
        async with aclosing(found):
            async for entries in found:
                for entry in entries:
                    event = encode(as_log_event(entry, named[entry.conversation].participants))
                    left -= len(event)
                    if left < 0 and events:
                        return events, sent
                    events.append(event)
                    sent[entry.conversation] = entry.seq
        return events, sent
