"""What a conversation's log is made of, and how an entry asks to be appended."""

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct, field

from chat_service.log.conversation import Conversation
from shared.errors import ServiceError

Seq = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Kind(Enum):
    """`EDIT` and `DELETE` change the message that they name, in the same transaction."""

    MESSAGE = "message"
    EDIT = "edit"
    DELETE = "delete"


class Entry(Struct, frozen=True, gc=False):
    """A durable entry of a conversation's log, in its present state.

    `message` is what an edit or a deletion changes. `text` is None for a deletion, and for a
    message that was deleted and all edits of it.
    """

    conversation: str
    seq: int
    id: UUID
    sender: str
    text: str | None
    timestamp: datetime
    sent_at: datetime | None = None
    kind: Kind = Kind.MESSAGE
    message: UUID | None = None
    edited_at: datetime | None = None
    deleted: bool = False


class Head(Struct, frozen=True, gc=False):
    """The last entry of a conversation: its position and when it was written (ms since epoch)."""

    seq: int
    at: int


EMPTY = Head(0, 0)


def milliseconds(moment: datetime) -> int:
    """`moment` in whole milliseconds since the epoch, which is what BSON keeps."""
    return round(moment.timestamp() * 1000)


class Recent(Struct):
    """Of a conversation's newest entries: the last one's position and time, and the last message's
    position of each sender."""

    head: int
    at: datetime
    sent: dict[str, int] = field(default_factory=dict)


class Draft(Struct, eq=False):
    """An entry that asks to be appended.

    `settle` is called exactly once, synchronously from the commit, with the durable entry (for a
    repeated id the one that was stored the first time, and True) or the error that refused it.
    `origin` is the socket that sent it: it gets the answer instead of the event.
    """

    conversation: Conversation
    id: UUID
    sender: str
    text: str | None
    sent_at: datetime | None
    settle: Callable[["Draft", "Entry | ServiceError", bool], None] = lambda *_: None
    origin: object = None
    kind: Kind = Kind.MESSAGE
    message: UUID | None = None

    def is_answered_by(self, entry: Entry) -> bool:
        """Whether a stored entry with this id is this draft, sent again."""
        return (
            entry.conversation == self.conversation.id
            and entry.sender == self.sender
            and entry.kind is self.kind
            and entry.message == self.message
        )


class Committed(Struct, gc=False):
    """A draft's fate: its entry, when the entry before it was written at the latest (milliseconds
    since the epoch; 0 for the first), and whether it was stored before.

    `late_after` is as in `Event`: set where the entry, or one before it, could not be read for a
    while. A repeat without it was told of before, unless a crash came between.
    """

    draft: Draft
    entry: Entry
    previous_at: int
    repeated: bool
    late_after: int | None = None


class Announcement(Struct, frozen=True, array_like=True, gc=False):
    """A conversation has entries up to `head`, whether or not anybody was told of them.

    `late_after` is as in `Event`.
    """

    conversation: str
    first: str
    second: str
    head: Seq
    late_after: Seq | None = None


def joined(one: Announcement, other: Announcement) -> Announcement:
    """What two announcements of a conversation say together."""
    late = [news.late_after for news in (one, other) if news.late_after is not None]
    head = max(one.head, other.head)
    return Announcement(one.conversation, one.first, one.second, head, min(late, default=None))
