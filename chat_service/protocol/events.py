"""The events: every frame that the server may send, as JSON text; `type` names the struct.

Times are RFC 3339 in UTC.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from shared.times import Time

if TYPE_CHECKING:
    Answered = UUID | str | None
else:  # no union that msgspec can describe, or would have to decode
    Answered = Annotated[
        Any,
        Meta(
            description="the `id` of the op, where it had one",
            extra_json_schema={"type": "string", "maxLength": 64},
        ),
    ]
Status = Literal["online", "offline"]


class _Event(Struct, frozen=True, tag_field="type", gc=False):
    pass


class Limits(Struct, frozen=True):
    """Bounds that a client should keep: characters, bytes, conversations."""

    text: int
    frame_bytes: int
    in_flight: int
    resume_conversations: int


class Welcome(_Event, frozen=True, tag="welcome"):
    """The socket is authenticated: everything committed from now on will be sent."""

    connection: str
    employee: str
    server_time: Time
    token_expires_at: Time
    limits: Limits


class Ack(_Event, frozen=True, tag="ack", omit_defaults=True):
    """Done. For a `send`: stored durably, at this position."""

    id: Answered = None
    conversation: str | UnsetType = UNSET
    seq: int | UnsetType = UNSET
    timestamp: Time | UnsetType = UNSET


class Message(_Event, frozen=True, tag="message", omit_defaults=True):
    """A message in its present state; a deleted one has no text. `timestamp` is when it was stored,
    `sent_at` what the sender's clock said."""

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
    """The text of the message `message` is `text` now; none where it was deleted since."""

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
"""An entry of a conversation's log, in `seq` order."""


class MarkerEvent(_Event, frozen=True, tag="marker"):
    """`employee` has received, and read, everything up to here. It never goes back: keep the
    highest. A message marks its sender's own position without such an event."""

    conversation: str
    employee: str
    received: int
    read: int


class TypingEvent(_Event, frozen=True, tag="typing"):
    """`sender` types, or stopped; forget it after 6 s without a repeat."""

    conversation: str
    sender: str
    active: bool


class PresenceEvent(_Event, frozen=True, tag="presence"):
    """Somebody whom one has a conversation with came online, or was last connected at `last_seen`.

    A client asks `GET /presence` after `welcome` and after `resync`, and for a new conversation;
    from then on it is told of changes. Of two events the one with the later `last_seen` holds.
    """

    employee: str
    status: Status
    last_seen: Time


class ResumedConversation(Struct, frozen=True):
    """`head` is the last position; `complete` is false where entries up to it were not all sent:
    load the conversation anew. So too where `head` is below one's cursor: the database was restored
    to an earlier state."""

    head: int
    complete: bool


class Resumed(_Event, frozen=True, tag="resumed", omit_defaults=True):
    """The end of a resume. Live events follow."""

    conversations: dict[str, ResumedConversation]
    id: Answered = None


class Resync(_Event, frozen=True, tag="resync"):
    """Events may have been missed: send a resume with your cursors now."""

    reason: str


class GoingAway(_Event, frozen=True, tag="going_away"):
    """This instance stops: reconnect after this wait."""

    reconnect_after_ms: int


class TokenExpiring(_Event, frozen=True, tag="token_expiring"):
    """Replace the token with an `auth` op; at this time the socket is closed (4002)."""

    expires_at: Time


class Pong(_Event, frozen=True, tag="pong", omit_defaults=True):
    """The answer to a `ping`."""

    id: Answered = None


class Error(_Event, frozen=True, tag="error", omit_defaults=True):
    """The op was refused; `code` is one of those of the REST API's problems, see `ERRORS`."""

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
    """`event` as JSON."""
    return _encoder.encode(event)
