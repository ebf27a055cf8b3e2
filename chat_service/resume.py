"""Catch-up: everything after a device's cursors, bounded, while live events wait their turn."""

from collections.abc import Mapping

from msgspec import Struct

from chat_service.conversation import Conversation
from chat_service.conversations import Conversations
from chat_service.delivery import as_log_event
from chat_service.entry_store import EntryStore
from chat_service.protocol import LogEvent, ResumedConversation
from shared.errors import FieldProblem, InvalidInput, NotParticipant


class ResumeLimits(Struct, frozen=True):
    """`conversations` that a resume may name and will name; `entries` it sends, of one
    conversation and in all."""

    conversations: int
    entries: int
    total: int


class CatchUp(Struct, frozen=True):
    """What a device missed, in order, and where each conversation stands after it.

    `covered` are the positions up to which live events must not come again.
    """

    events: list[LogEvent]
    conversations: dict[str, ResumedConversation]
    covered: dict[str, int]


class Resumption:
    """Reads what devices missed."""

    def __init__(
        self,
        conversations: Conversations,
        store: EntryStore,
        limits: ResumeLimits,
    ) -> None:
        self._conversations = conversations
        self._store = store
        self._limits = limits

    async def catch_up(self, employee: str, cursors: Mapping[str, int]) -> CatchUp:
        """Everything after `cursors`, as far as the limits go.

        Conversations that the device does not name, but has, are named with their heads. Call it
        only while the device's live events wait. Raises `InvalidInput`, `NotParticipant` or
        `Unavailable`.
        """
        if len(cursors) > self._limits.conversations:
            raise InvalidInput(
                f"A resume names at most {self._limits.conversations} conversations.",
                problems=(FieldProblem("$.cursors", f"has {len(cursors)}"),),
            )
        named = await self._conversations.of(employee, cursors)
        for conversation in cursors:
            if conversation not in named:
                raise NotParticipant(f"You do not take part in a conversation {conversation!r}.")
        newest = await self._conversations.newest_of(employee, self._limits.conversations)
        heads = await self._store.heads({**newest, **named})
        events = await self._missed(cursors, named, {id: heads[id].seq for id in named})
        sent = {event.conversation: event.seq for event in events}
        conversations = {
            id: ResumedConversation(
                head=head.seq,
                complete=id in cursors and sent.get(id, cursors[id]) >= head.seq,
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
    ) -> list[LogEvent]:
        """Events after the cursors; of a conversation with too many, the oldest that fit."""
        wanted: dict[str, int] = {}
        stop: dict[str, int] = {}
        total = 0
        for id, cursor in cursors.items():
            count = min(heads[id] - cursor, self._limits.entries, self._limits.total - total)
            if count > 0:
                wanted[id] = cursor
                stop[id] = cursor + count + 1
                total += count
        if not wanted:
            return []
        entries = await self._store.after(wanted, before=stop, limit=total)
        return [as_log_event(entry, named[entry.conversation].participants) for entry in entries]
