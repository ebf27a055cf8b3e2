"""What a conversation's log is made of, and how committed entries travel."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from chat_service.conversation import Conversation
from shared.errors import ServiceError


class Entry(Struct, frozen=True, gc=False):
    """A durable entry of a conversation's log."""

    conversation: str
    seq: int
    id: UUID
    sender: str
    text: str
    timestamp: datetime
    sent_at: datetime | None = None


class Draft(Struct, eq=False):
    """An entry that asks to be appended.

    `settle` is called exactly once, synchronously from the commit, with the durable entry (a
    repeated id: the entry that was stored the first time) or the error that refused it. `origin`
    is the socket that sent it: it gets the answer instead of the event.
    """

    conversation: Conversation
    id: UUID
    sender: str
    text: str
    sent_at: datetime | None
    settle: Callable[["Draft", "Entry | ServiceError", bool], None]
    origin: object = None


class Committed(Struct, gc=False):
    """A draft's fate: its entry, whether that was stored before, and when the entry before it was
    written (milliseconds since the epoch; 0 for the first)."""

    draft: Draft
    entry: Entry
    previous_at: int
    repeated: bool
