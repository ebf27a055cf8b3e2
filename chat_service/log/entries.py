"""What a conversation's log consists of, and the drafts that ask to be appended to it."""

import time
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
    """An `EDIT` or a `DELETE` changes the message it names, in the same transaction."""

    MESSAGE = "message"
    EDIT = "edit"
    DELETE = "delete"


class Entry(Struct, frozen=True, gc=False):
    """A durable entry of a conversation's log, in its present state.

    `message` is the id of the message that an edit or a deletion changes. `text` is None for a
    deletion, for a deleted message, and for all edits of a deleted message.
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
    """The last entry of a conversation: its position, and when it was written, in milliseconds
    since the epoch."""

    seq: int
    at: int


EMPTY = Head(0, 0)


def milliseconds(moment: datetime) -> int:
    """`moment` in whole milliseconds since the epoch, which is what BSON keeps."""
    return round(moment.timestamp() * 1000)


class Recent(Struct):
    """The newest entries of a conversation: position and time of the last one, and the position of
    each sender's last message among them."""

    head: int
    at: datetime
    sent: dict[str, int] = field(default_factory=dict)


Settle = Callable[["Draft", Entry | ServiceError, bool], None]
"""(draft, outcome, repeated): called exactly once for a draft, synchronously from the commit.

The outcome is the durable entry, or the error that refused the draft. `repeated` is True if an
earlier draft with this id is stored already: the outcome is then its entry.
"""


class Draft(Struct, frozen=True, eq=False):
    """An entry that asks to be appended; made by `message`, `edit` or `delete`.

    `origin` is the socket that sent it, which gets the answer instead of the event. `target` is
    the message that an edit or a deletion changes. `came_at` is by the monotonic clock.
    """

    conversation: Conversation
    id: UUID
    sender: str
    text: str | None
    sent_at: datetime | None
    settle: Settle
    origin: object
    kind: Kind
    target: UUID | None
    came_at: float = field(default_factory=time.monotonic)

    @classmethod
    def message(
        cls,
        conversation: Conversation,
        id: UUID,
        sender: str,
        *,
        text: str,
        sent_at: datetime | None = None,
        settle: Settle,
        origin: object = None,
    ) -> "Draft":
        """A new message; `sent_at` is the time by the sender's clock."""
        return cls(conversation, id, sender, text, sent_at, settle, origin, Kind.MESSAGE, None)

    @classmethod
    def edit(
        cls,
        conversation: Conversation,
        id: UUID,
        sender: str,
        target: UUID,
        *,
        text: str,
        settle: Settle,
        origin: object = None,
    ) -> "Draft":
        """A new text for the message `target`."""
        return cls(conversation, id, sender, text, None, settle, origin, Kind.EDIT, target)

    @classmethod
    def delete(
        cls,
        conversation: Conversation,
        id: UUID,
        sender: str,
        target: UUID,
        *,
        settle: Settle,
        origin: object = None,
    ) -> "Draft":
        """The deletion of the message `target`."""
        return cls(conversation, id, sender, None, None, settle, origin, Kind.DELETE, target)

    def is_answered_by(self, entry: Entry) -> bool:
        """Whether the stored entry with this id is this draft, sent before."""
        return (
            entry.conversation == self.conversation.id
            and entry.sender == self.sender
            and entry.kind is self.kind
            and entry.message == self.target
        )


class Committed(Struct, gc=False):
    """A draft and its durable entry; `repeated` if the entry was stored before this draft came. A
    repeat was announced before, unless a crash or an outage came in between."""

    draft: Draft
    entry: Entry
    repeated: bool = False


class Announcement(Struct, frozen=True, array_like=True, gc=False):
    """A majority has entries of a conversation up to `head`, whether or not anybody was told."""

    conversation: str
    first: str
    second: str
    head: Seq


def joined(one: Announcement, other: Announcement) -> Announcement:
    """One announcement that says what these two of the same conversation say."""
    return one if one.head >= other.head else other
