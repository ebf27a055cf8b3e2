"""A frame of each kind, for the documentation: what Ann and Bob may send and receive."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from chat_service.protocol import events, ops

_ANN = "ann@example.org"
_BOB = "bob@example.org"
_BOTH = (_ANN, _BOB)
_CONVERSATION = "lZK3ulzp2W8HoIcev5zDvQ"
_HELLO = UUID("5f0c0f4e-6f0e-4c53-9b7a-0c6b5d1e2a10")
_EDIT = UUID("8d7a1a52-3b2f-4d0a-a1c4-7f4f6f0f9b21")
_DELETION = UUID("b1e0c7d4-9a43-4f0b-8d36-2c5e8a7f6d32")
_NOON = datetime(2025, 3, 14, 12, tzinfo=UTC)

EXAMPLES: tuple[ops.ClientOp | events.ServerEvent, ...] = (
    ops.Auth("header.claims.signature", "login"),
    ops.Send(_HELLO, _BOB, "Helo Bob", _NOON),
    ops.Edit(_EDIT, _CONVERSATION, _HELLO, "Hello Bob"),
    ops.Delete(_DELETION, _CONVERSATION, _HELLO),
    ops.Typing(_BOB, active=True),
    ops.Mark(_CONVERSATION, received=17, read=16),
    ops.Resume({_CONVERSATION: 12}, id="after-reconnect"),
    ops.Ping("7"),
    events.Welcome(
        connection="f0a6c1d29d0b4c0f8c53a1b6f5f2d7e4",
        employee=_ANN,
        server_time=_NOON,
        token_expires_at=_NOON + timedelta(minutes=10),
        limits=events.Limits(text=4000, frame_bytes=65_536, in_flight=64, resume_conversations=500),
    ),
    events.Ack(_HELLO, _CONVERSATION, 13, _NOON),
    events.Message(_CONVERSATION, 13, _HELLO, _ANN, _BOTH, _NOON, "Helo Bob", sent_at=_NOON),
    events.Edited(_CONVERSATION, 14, _EDIT, _HELLO, _ANN, _BOTH, _NOON, "Hello Bob"),
    events.Deleted(_CONVERSATION, 15, _DELETION, _HELLO, _ANN, _BOTH, _NOON),
    events.HeadEvent(_CONVERSATION, _BOTH, 15),
    events.MarkerEvent(_CONVERSATION, _BOB, received=15, read=13),
    events.TypingEvent(_CONVERSATION, _BOB, active=True),
    events.PresenceEvent(_BOB, "online", _NOON),
    events.Resumed(
        {_CONVERSATION: events.ResumedConversation(15, complete=True)}, "after-reconnect"
    ),
    events.Resync("the broker was unreachable"),
    events.GoingAway(1250),
    events.TokenExpiring(_NOON + timedelta(minutes=10)),
    events.Pong("7"),
    events.Error("rate_limited", "At most 100 a second, 1000 at once.", "7", 10),
)
