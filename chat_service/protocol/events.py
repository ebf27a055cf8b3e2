"""The events: every frame that the server sends, as JSON text. `type` names the struct.

Times are RFC 3339 in UTC.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from shared.times import Time

if TYPE_CHECKING:
    Answered = UUID | str | None
else:  # msgspec cannot describe this union, and never has to decode it
    Answered = Annotated[
        Any,
        Meta(
            description="the `id` of the op, if it had one",
            extra_json_schema={"type": "string", "maxLength": 64},
        ),
    ]
Status = Literal["online", "offline"]


class _Event(Struct, frozen=True, tag_field="type", gc=False):
    pass


class Limits(Struct, frozen=True):
    """What this server accepts: characters of a text, bytes of a frame, unanswered sends before it
    stops reading for a while, conversations in one `resume`."""

    text: int
    frame_bytes: int
    in_flight: int
    resume_conversations: int


class Welcome(_Event, frozen=True, tag="welcome"):
    """The socket is authenticated. Everything committed from now on will be sent."""

    connection: str
    employee: str
    server_time: Time
    token_expires_at: Time
    limits: Limits


class Ack(_Event, frozen=True, tag="ack", omit_defaults=True):
    """The op succeeded. If it appended an entry, that entry is durable at position `seq`."""

    id: Answered = None
    conversation: str | UnsetType = UNSET
    seq: int | UnsetType = UNSET
    timestamp: Time | UnsetType = UNSET


class Message(_Event, frozen=True, tag="message", omit_defaults=True):
    """A message in its current state; a deleted one has no text. `timestamp` is when it was stored,
    `sent_at` is the time by the sender's clock."""

    conversation: str
    seq: int
    id: UUID
    sender: str
    participants: tuple[str, str]
    timestamp: Time
    text: str | UnsetType = UNSET
    sent_at: Time | UnsetType = UNSET
    edited_at: Time | UnsetType = UNSET
    deleted: bool = False


class Edited(_Event, frozen=True, tag="edited", omit_defaults=True):
    """The text of the message `message` is now `text`, which is absent if it was deleted since."""

    conversation: str
    seq: int
    id: UUID
    message: UUID
    sender: str
    participants: tuple[str, str]
    timestamp: Time
    text: str | UnsetType = UNSET


class Deleted(_Event, frozen=True, tag="deleted"):
    """The message `message` was deleted."""

    conversation: str
    seq: int
    id: UUID
    message: UUID
    sender: str
    participants: tuple[str, str]
    timestamp: Time


LogEvent = Message | Edited | Deleted
"""An entry of a conversation's log."""


class HeadEvent(_Event, frozen=True, tag="head"):
    """The conversation has entries up to `seq`, and it may be that not all of them were sent. If
    `seq` is above your cursor, resume with `only` set."""

    conversation: str
    participants: tuple[str, str]
    seq: int


class MarkerEvent(_Event, frozen=True, tag="marker"):
    """`employee` has received and read everything up to these positions. They never go back: keep
    the highest. A message moves its sender's own marker without this event."""

    conversation: str
    employee: str
    received: int
    read: int


class TypingEvent(_Event, frozen=True, tag="typing"):
    """`sender` is typing, or has stopped. Forget it after 6 s without a repeat."""

    conversation: str
    sender: str
    active: bool


class PresenceEvent(_Event, frozen=True, tag="presence"):
    """A conversation partner came online or went offline, at `last_seen`.

    Ask `GET /presence` after `welcome`, after `resync` and for a new conversation; these events
    report the changes after that. Of two events, the one with the later `last_seen` holds.
    """

    employee: str
    status: Status
    last_seen: Time


class ResumedConversation(Struct, frozen=True):
    """`head` is the last position. If `complete` is false, not every entry up to `head` was sent:
    reload the conversation. Do so too if `head` is below your cursor: the database was restored to
    an earlier state."""

    head: int
    complete: bool


class Resumed(_Event, frozen=True, tag="resumed", omit_defaults=True):
    """The end of a resume. Without `only` it includes conversations that you did not name. Live
    events follow."""

    conversations: dict[str, ResumedConversation]
    id: Answered = None


class Resync(_Event, frozen=True, tag="resync"):
    """You may have missed events: send `resume` with your cursors now."""

    reason: str


class GoingAway(_Event, frozen=True, tag="going_away"):
    """This instance is stopping and takes no more ops: reconnect after this delay."""

    reconnect_after_ms: int


class TokenExpiring(_Event, frozen=True, tag="token_expiring"):
    """Replace the token with an `auth` op, or the socket is closed (4002) at `expires_at`."""

    expires_at: Time


class Pong(_Event, frozen=True, tag="pong", omit_defaults=True):
    """The answer to a `ping`."""

    id: Answered = None


class Error(_Event, frozen=True, tag="error", omit_defaults=True):
    """The op was refused. `code` is one of `x-error-codes`, which the REST API uses too. If
    `retry_after_ms` is given, the op may be sent again after that time."""

    code: str
    detail: str
    id: Answered = None
    retry_after_ms: int | UnsetType = UNSET


ServerEvent = (
    Welcome
    | Ack
    | Message
    | Edited
    | Deleted
    | HeadEvent
    | MarkerEvent
    | TypingEvent
    | PresenceEvent
    | Resumed
    | Resync
    | GoingAway
    | TokenExpiring
    | Pong
    | Error
)

_encoder = msgspec.json.Encoder()


def encode(event: ServerEvent) -> bytes:
    """`event` as JSON text."""
    return _encoder.encode(event)
