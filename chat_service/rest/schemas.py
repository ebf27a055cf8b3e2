"""The schemas of the REST API: queries, request bodies and replies. Times are RFC 3339 in UTC."""

from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from chat_service.inbox import Listed, Markers
from chat_service.log import Conversation, Entry
from chat_service.presence import Presence
from chat_service.protocol import Seq
from shared.times import GivenTime, Time

Participants = Annotated[
    tuple[str, ...], Meta(description="the email addresses of exactly two employees")
]


class NewMessage(Struct, frozen=True, forbid_unknown_fields=True):
    """`id` identifies the message permanently: sending the same `id` again changes nothing. Without
    an `id`, the service makes one up, and sending again stores another message. `timestamp` is the
    time by the sender's clock, kept as `sent_at`."""

    sender: str
    text: str
    timestamp: GivenTime | None = None
    id: UUID | None = None


class SendRequest(Struct, frozen=True, forbid_unknown_fields=True):
    participants: Participants
    message: NewMessage


class HistoryRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`after` and `before` are exclusive. With `after`, the page begins there and goes forward;
    without, it ends at `before` or at the newest message. Long messages can make it shorter than
    `limit`."""

    participants: Participants
    before: Seq | None = None
    after: Seq | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class EditRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`id` identifies the edit, as it would a message."""

    text: str
    id: UUID | None = None


class DeleteQuery(Struct, frozen=True, forbid_unknown_fields=True):
    id: Annotated[
        UUID | None,
        Meta(
            description="identifies the deletion; by default it is derived from the message, so"
            " that deleting the message again changes nothing"
        ),
    ] = None


class MarkRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """You have received, or read, everything up to the given position. Whoever has read has also
    received."""

    received: Seq | None = None
    read: Seq | None = None


class ConversationsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    before: Annotated[str | None, Meta(description="the `next` of the previous page")] = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class PresenceQuery(Struct, frozen=True, forbid_unknown_fields=True):
    employee: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            max_length=200,
            description="email address of an employee; repeat the parameter for each",
        ),
    ]


class MessageView(Struct, frozen=True, omit_defaults=True):
    """A message in its current state; a deleted one has no text. `timestamp` is when it was stored,
    `sent_at` is the time by the sender's clock."""

    seq: int
    id: UUID
    sender: str
    timestamp: Time
    text: str | UnsetType = UNSET
    sent_at: Time | UnsetType = UNSET
    edited_at: Time | UnsetType = UNSET
    deleted: bool = False


class SentMessage(Struct, frozen=True):
    conversation: str
    participants: tuple[str, str]
    message: MessageView


class Amended(Struct, frozen=True):
    """An edit or a deletion, at its position in the log. `message` is the one that it changed."""

    conversation: str
    seq: int
    id: UUID
    message: UUID
    timestamp: Time


class MarkerView(Struct, frozen=True):
    """`employee` has received and read everything up to these positions."""

    employee: str
    received: int
    read: int


class HistoryView(Struct, frozen=True):
    """Messages, ascending by `seq`. `has_more` says whether there are more in the direction asked
    for. A device that has this page and everything before it has everything up to `head`."""

    conversation: str
    participants: tuple[str, str]
    messages: list[MessageView]
    markers: list[MarkerView]
    has_more: bool
    head: int


class ConversationView(Struct, frozen=True):
    """`unread` counts the other person's messages after your own `read` marker, up to 100."""

    conversation: str
    participants: tuple[str, str]
    last_message: MessageView | None
    head: int
    unread: int
    markers: list[MarkerView]
    updated_at: Time


class ConversationsView(Struct, frozen=True):
    """The most recent first. `next` is the cursor of the next page; null if there is none."""

    conversations: list[ConversationView]
    next: str | None


class PresenceView(Struct, frozen=True):
    """In the order of the query, each employee once. An address that nobody has is offline."""

    presence: list[Presence]


def message_view(entry: Entry) -> MessageView:
    return MessageView(
        seq=entry.seq,
        id=entry.id,
        sender=entry.sender,
        timestamp=entry.timestamp,
        text=UNSET if entry.text is None else entry.text,
        sent_at=UNSET if entry.sent_at is None else entry.sent_at,
        edited_at=UNSET if entry.edited_at is None else entry.edited_at,
        deleted=entry.deleted,
    )


def marker_views(conversation: Conversation, markers: Markers) -> list[MarkerView]:
    return [
        MarkerView(employee, marker.received, marker.read)
        for employee, marker in zip(conversation.participants, markers, strict=True)
    ]


def conversation_view(listed: Listed) -> ConversationView:
    last = listed.last_message
    return ConversationView(
        conversation=listed.conversation.id,
        participants=listed.conversation.participants,
        last_message=None if last is None else message_view(last),
        head=listed.head,
        unread=listed.unread,
        markers=marker_views(listed.conversation, listed.markers),
        updated_at=listed.updated_at,
    )
