"""One frame of each kind, for the documentation: what Ann and Bob may say, and are told."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from chat_service import protocol
from chat_service.conversation import between
from chat_service.protocol import ClientOp, ServerEvent

_ANN = "ann@example.org"
_BOB = "bob@example.org"
_TALK = between(_ANN, _BOB)
_HELLO = UUID("5f0c0f4e-6f0e-4c53-9b7a-0c6b5d1e2a10")
_EDIT = UUID("8d7a1a52-3b2f-4d0a-a1c4-7f4f6f0f9b21")
_DELETION = UUID("b1e0c7d4-9a43-4f0b-8d36-2c5e8a7f6d32")
_NOON = datetime(2025, 3, 14, 12, tzinfo=UTC)

OPS: tuple[ClientOp, ...] = (
    protocol.Auth("header.claims.signature", "login"),
    protocol.Send(_HELLO, _BOB, "Helo Bob", _NOON),
    protocol.Edit(_EDIT, _TALK.id, _HELLO, "Hello Bob"),
    protocol.Delete(_DELETION, _TALK.id, _HELLO),
    protocol.Typing(_BOB, active=True),
    protocol.Mark(_TALK.id, received=17, read=16),
    protocol.Resume({_TALK.id: 12}, "after-reconnect"),
    protocol.Ping("7"),
)

EVENTS: tuple[ServerEvent, ...] = (
    protocol.Welcome(
        connection="f0a6c1d29d0b4c0f8c53a1b6f5f2d7e4",
        employee=_ANN,
        server_time=_NOON,
        token_expires_at=_NOON + timedelta(minutes=10),
        limits=protocol.Limits(
            text=4000, frame_bytes=65_536, in_flight=64, resume_conversations=500
        ),
    ),
    protocol.Ack(_HELLO, _TALK.id, 13, _NOON),
    protocol.Message(
        _TALK.id, 13, _HELLO, _ANN, _TALK.participants, _NOON, "Helo Bob", sent_at=_NOON
    ),
    protocol.Edited(_TALK.id, 14, _EDIT, _HELLO, _ANN, _TALK.participants, _NOON, "Hello Bob"),
    protocol.Deleted(_TALK.id, 15, _DELETION, _HELLO, _ANN, _TALK.participants, _NOON),
    protocol.Marker(_TALK.id, _BOB, received=15, read=13),
    protocol.TypingEvent(_TALK.id, _BOB, active=True),
    protocol.PresenceEvent(_BOB, "online", _NOON),
    protocol.Resumed(
        {_TALK.id: protocol.ResumedConversation(15, complete=True)}, "after-reconnect"
    ),
    protocol.Resync("the broker was away"),
    protocol.GoingAway(1250),
    protocol.TokenExpiring(_NOON + timedelta(minutes=10)),
    protocol.Pong("7"),
    protocol.Error("rate_limited", "At most 100 a second, 1000 at once.", "7", 10),
)
