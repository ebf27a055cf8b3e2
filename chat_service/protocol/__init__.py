"""The WebSocket protocol: ops, events, close codes and error codes, and the AsyncAPI document.

It knows neither transport nor storage, and no other package of this service. Clients send a
`ClientOp`, the server sends a `ServerEvent`; `CloseCode` says why a socket was closed.
"""

from chat_service.protocol.asyncapi import document as asyncapi_document
from chat_service.protocol.close_codes import CloseCode
from chat_service.protocol.error_codes import ERRORS
from chat_service.protocol.events import (
    Ack,
    Deleted,
    Edited,
    Error,
    GoingAway,
    Limits,
    LogEvent,
    MarkerEvent,
    Message,
    Pong,
    PresenceEvent,
    Resumed,
    ResumedConversation,
    Resync,
    ServerEvent,
    Status,
    TokenExpiring,
    TypingEvent,
    Welcome,
    encode,
)
from chat_service.protocol.ops import (
    Auth,
    ClientOp,
    Delete,
    Edit,
    Mark,
    Ping,
    Resume,
    Send,
    Seq,
    Typing,
    op_decoder,
    op_id,
)

__all__ = [
    "ERRORS",
    "Ack",
    "Auth",
    "ClientOp",
    "CloseCode",
    "Delete",
    "Deleted",
    "Edit",
    "Edited",
    "Error",
    "GoingAway",
    "Limits",
    "LogEvent",
    "Mark",
    "MarkerEvent",
    "Message",
    "Ping",
    "Pong",
    "PresenceEvent",
    "Resume",
    "Resumed",
    "ResumedConversation",
    "Resync",
    "Send",
    "Seq",
    "ServerEvent",
    "Status",
    "TokenExpiring",
    "Typing",
    "TypingEvent",
    "Welcome",
    "asyncapi_document",
    "encode",
    "op_decoder",
    "op_id",
]
