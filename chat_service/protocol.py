"""The WebSocket protocol: every frame, close code and limit that client and server share.

Frames are JSON text; the field `type` names the struct. Clients send `ClientOp`, the server sends
`ServerEvent`. Times are RFC 3339 in UTC. It knows neither transport nor storage.
"""

from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from shared.errors import (
    Forbidden,
    IdConflict,
    InternalError,
    InvalidInput,
    MalformedBody,
    MessageDeleted,
    NotParticipant,
    NotSender,
    RateLimited,
    ServiceError,
    TooManyConnections,
    Unauthorized,
    Unavailable,
    UnknownEmployee,
    UnknownMessage,
)
from shared.times import GivenTime, Time

Reference = Annotated[str, Meta(max_length=64, description="repeated in the answer")]
Seq = Annotated[int, Meta(ge=0, le=2**53 - 1, description="position in a conversation, from 1")]
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
ConversationId = Annotated[str, Meta(max_length=64, description="id of a conversation")]
Status = Literal["online", "offline"]


class CloseCode(IntEnum):
    """RFC 6455 codes, and ours: 4000-4499 reconnect, 4500-4999 do not. `meaning` is for people."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    TOO_BIG = 1009, "A frame was above `limits.frame_bytes`; reconnect, but do not send it again."
    RESTART = 1012, "This instance stops; `going_away` told how long to wait."
    TRY_AGAIN = 1013, "This instance is full, or cannot check tokens for the moment."
    SLOW_CONSUMER = (
        4001,
        "Too much waited for a peer that does not read: it is cut off, and may see 1006 instead.",
    )
    TOKEN_EXPIRED = 4002, "The access token expired and no other came: reconnect with a new one."
    AUTH_TIMEOUT = 4003, "The first frame, `auth`, did not come in time."
    UNAUTHORIZED = (
        4501,
        "The first frame was no `auth` with a valid access token: try once with a new one, "
        "then log in again.",
    )
    SESSION_REVOKED = 4502, "The session was ended: log in again."
    PROTOCOL_VIOLATION = 4503, "A binary frame; every frame is text."
    TOO_MANY_CONNECTIONS = 4504, "The employee has as many sockets open as one may have."

    @property
    def reconnect(self) -> bool:
        """Whether a client should connect again by itself."""
        return self < 4500


class _Op(Struct, frozen=True, tag_field="type", forbid_unknown_fields=True, gc=False):
    pass


class Auth(_Op, frozen=True, tag="auth"):
    """Authenticate, as the first frame; later replace the token by one of the same session."""

    token: Annotated[str, Meta(max_length=8192)]
    id: Reference | None = None


class Send(_Op, frozen=True, tag="send"):
    """Send `text` to an employee. `id` names it for ever: the same again changes nothing."""

    id: UUID
    to: str
    text: str
    sent_at: GivenTime | None = None


class Edit(_Op, frozen=True, tag="edit"):
    """Change the text of one's own message. `id` names the edit as it would a message."""

    id: UUID
    conversation: ConversationId
    message: UUID
    text: str


class Delete(_Op, frozen=True, tag="delete"):
    """Delete one's own message: its text is gone, from every edit of it too."""

    id: UUID
    conversation: ConversationId
    message: UUID


class Mark(_Op, frozen=True, tag="mark"):
    """One has received, or read, everything up to here. Lower than before means nothing."""

    conversation: ConversationId
    received: Seq | None = None
    read: Seq | None = None
    id: Reference | None = None


class Typing(_Op, frozen=True, tag="typing"):
    """The caller types to an employee, or stopped. Repeat it every 3 s while it goes on."""

    to: str
    active: bool
    id: Reference | None = None


class Resume(_Op, frozen=True, tag="resume"):
    """Ask for everything after these cursors; a cursor of 0 is the beginning."""

    cursors: dict[ConversationId, Seq]
    id: Reference | None = None


class Ping(_Op, frozen=True, tag="ping"):
    """Ask for a sign of life: the answer comes after everything that was written before it."""

    id: Reference | None = None


ClientOp = Auth | Send | Edit | Delete | Typing | Mark | Resume | Ping


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


class Marker(_Event, frozen=True, tag="marker"):
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


ERRORS: tuple[type[ServiceError], ...] = (
    MalformedBody,
    InvalidInput,
    Unauthorized,
    Forbidden,
    NotSender,
    NotParticipant,
    UnknownEmployee,
    UnknownMessage,
    IdConflict,
    MessageDeleted,
    RateLimited,
    InternalError,
    TooManyConnections,
    Unavailable,
)
"""What an `error` may say."""

ServerEvent = (
    Welcome
    | Ack
    | Message
    | Edited
    | Deleted
    | Marker
    | TypingEvent
    | PresenceEvent
    | Resumed
    | Resync
    | GoingAway
    | TokenExpiring
    | Pong
    | Error
)

ops = msgspec.json.Decoder(ClientOp)
"""Decodes a client's frame."""

_encoder = msgspec.json.Encoder()


def encode(event: ServerEvent) -> bytes:
    """`event` as JSON."""
    return _encoder.encode(event)


class _Referenced(Struct):
    id: str | None = None


_referenced = msgspec.json.Decoder(_Referenced)


def reference(data: bytes) -> str | None:
    """The `id` of a frame that did not decode, where it has one: the error repeats it."""
    try:
        found = _referenced.decode(data).id
    except (ValueError, RecursionError):
        return None
    return found if found is not None and len(found) <= 64 else None
