"""The REST endpoints: history and sending, beside the WebSocket.

They must never know MongoDB or RabbitMQ.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from chat_service.conversation import Conversation, with_other
from chat_service.entries import Entry
from chat_service.messaging import Messaging
from chat_service.protocol import Seq
from chat_service.socket import Sockets
from shared.emails import normalise
from shared.endpoints import Endpoint, json_reply
from shared.errors import (
    FieldProblem,
    ForeignOrigin,
    IdConflict,
    InvalidInput,
    NotParticipant,
    SenderMismatch,
    Unavailable,
    UnknownEmployee,
)
from shared.tokens import Claims

MESSAGING = web.AppKey("messaging", Messaging)
SOCKETS = web.AppKey("sockets", Sockets)

Participants = Annotated[
    tuple[str, ...], Meta(description="the email addresses of exactly two employees")
]


class NewMessage(Struct, frozen=True, forbid_unknown_fields=True):
    """`id` names the message for ever: sending it again changes nothing. Without one the service
    makes one, and sending again stores again. `timestamp` is the sender's clock, kept as
    `sent_at`."""

    sender: str
    text: str
    timestamp: datetime | None = None
    id: UUID | None = None


class SendRequest(Struct, frozen=True, forbid_unknown_fields=True):
    participants: Participants
    message: NewMessage


class HistoryRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`after` and `before` exclude themselves. With `after` the page begins there and goes forward;
    without, it ends at `before` or at the newest."""

    participants: Participants
    before: Seq | None = None
    after: Seq | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class StoredMessage(Struct, frozen=True, omit_defaults=True):
    """`timestamp` is when it was stored, `sent_at` what the sender's clock said."""

    seq: int
    id: UUID
    sender: str
    text: str
    timestamp: datetime
    sent_at: datetime | UnsetType = UNSET


class SentMessage(Struct, frozen=True):
    conversation: str
    participants: tuple[str, str]
    message: StoredMessage


class History(Struct, frozen=True):
    """Ascending by `seq`; `has_more` tells of more in the direction that was asked for."""

    conversation: str
    participants: tuple[str, str]
    messages: list[StoredMessage]
    has_more: bool


async def send_message(
    request: web.Request, *, caller: Claims, body: SendRequest
) -> web.StreamResponse:
    messaging = request.app[MESSAGING]
    message = body.message
    address = _other(caller, body.participants)
    if normalise(message.sender, "$.message.sender") != caller.email:
        raise SenderMismatch("`message.sender` must be the employee of the access token.")
    messaging.check_text(message.text, "$.message.text")
    conversation = messaging.conversations.known(caller.email, address)
    if conversation is None:
        token = request.headers["Authorization"].partition(" ")[2].strip()
        conversation = await messaging.conversations.open(
            caller.email, address, token, "$.participants"
        )
    sent = await messaging.send(
        conversation,
        id=message.id or uuid4(),
        sender=caller.email,
        text=message.text,
        sent_at=message.timestamp,
    )
    reply = SentMessage(conversation.id, conversation.participants, _stored(sent.entry))
    return json_reply(reply, status=200 if sent.repeated else 201)


async def read_history(
    request: web.Request, *, caller: Claims, body: HistoryRequest
) -> web.StreamResponse:
    messaging = request.app[MESSAGING]
    conversation = _conversation(caller, body.participants)
    entries, has_more = await messaging.history(
        conversation, before=body.before, after=body.after, limit=body.limit
    )
    return json_reply(
        History(
            conversation=conversation.id,
            participants=conversation.participants,
            messages=[_stored(entry) for entry in entries],
            has_more=has_more,
        )
    )


async def websocket(request: web.Request) -> web.StreamResponse:
    return await request.app[SOCKETS].handle(request)


ENDPOINTS = (
    Endpoint(
        method="PUT",
        path="/messages",
        handler=send_message,
        summary="Send a message",
        description="The answer comes once the message is durable: 201, or 200 for a repeated id.",
        body=SendRequest,
        replies={201: SentMessage, 200: SentMessage},
        errors=(SenderMismatch, NotParticipant, UnknownEmployee, IdConflict, Unavailable),
    ),
    Endpoint(
        method="POST",
        path="/messages",
        handler=read_history,
        summary="Read the history of two participants",
        body=HistoryRequest,
        replies={200: History},
        errors=(NotParticipant, Unavailable),
    ),
    Endpoint(
        method="GET",
        path="/ws",
        handler=websocket,
        summary="Open the WebSocket",
        replies={101: None},
        errors=(ForeignOrigin,),
        public=True,
        documented=False,
    ),
)


def _other(caller: Claims, participants: tuple[str, ...]) -> str:
    """The address that is not the caller's, of exactly two."""
    addresses = [
        normalise(address, f"$.participants[{number}]")
        for number, address in enumerate(participants)
    ]
    if len(addresses) != 2 or addresses[0] == addresses[1]:
        raise InvalidInput(
            "A conversation has exactly two different participants.",
            problems=(FieldProblem("$.participants", "expected two different addresses"),),
        )
    if caller.email not in addresses:
        raise NotParticipant("The caller must be one of the participants.")
    return addresses[1] if addresses[0] == caller.email else addresses[0]


def _conversation(caller: Claims, participants: tuple[str, ...]) -> Conversation:
    return with_other(caller.email, _other(caller, participants), "$.participants")


def _stored(entry: Entry) -> StoredMessage:
    return StoredMessage(
        seq=entry.seq,
        id=entry.id,
        sender=entry.sender,
        text=entry.text,
        timestamp=entry.timestamp,
        sent_at=UNSET if entry.sent_at is None else entry.sent_at,
    )
