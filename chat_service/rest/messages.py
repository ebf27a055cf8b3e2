"""The REST endpoints of messages.

They must never know MongoDB or RabbitMQ.
"""

from uuid import uuid4

from aiohttp import web

from chat_service.log import Draft, with_other
from chat_service.messaging import Messaging
from chat_service.rest.schemas import (
    HistoryRequest,
    HistoryView,
    SendRequest,
    SentMessage,
    marker_views,
    message_view,
)
from shared.emails import normalise
from shared.errors import (
    FieldProblem,
    IdConflict,
    InvalidInput,
    NotParticipant,
    RateLimited,
    SenderMismatch,
    Unavailable,
    UnknownEmployee,
)
from shared.http.endpoints import Endpoint, bearer, json_reply
from shared.times import in_utc
from shared.tokens import Claims

MESSAGING = web.AppKey("messaging", Messaging)

LARGE_AT_ONCE = 16
"""Requests of one employee for what may be half a megabyte or more; a page of ours sends a few."""


async def send_message(
    request: web.Request, *, caller: Claims, body: SendRequest
) -> web.StreamResponse:
    messaging = request.app[MESSAGING]
    message = body.message
    address = _other(caller, body.participants)
    if normalise(message.sender, "$.message.sender") != caller.email:
        raise SenderMismatch("`message.sender` must be the employee of the access token.")
    messaging.check_text(message.text, "$.message.text")
    sent_at = message.timestamp
    if sent_at is not None:
        sent_at = in_utc(sent_at, "$.message.timestamp")
    conversation = messaging.conversations.known(caller.email, address)
    if conversation is None:
        conversation = await messaging.conversations.open(
            caller.email, address, bearer(request) or "", "$.participants"
        )
    sent = await messaging.append(
        lambda settle: Draft.message(
            conversation,
            message.id or uuid4(),
            caller.email,
            text=message.text,
            sent_at=sent_at,
            settle=settle,
        ),
        "$.message.text",
    )
    reply = SentMessage(conversation.id, conversation.participants, message_view(sent.entry))
    return json_reply(reply, status=200 if sent.repeated else 201)


async def read_history(
    request: web.Request, *, caller: Claims, body: HistoryRequest
) -> web.StreamResponse:
    messaging = request.app[MESSAGING]
    conversation = with_other(caller.email, _other(caller, body.participants), "$.participants")
    history = await messaging.history(
        conversation, before=body.before, after=body.after, limit=body.limit
    )
    return json_reply(
        HistoryView(
            conversation=conversation.id,
            participants=conversation.participants,
            messages=[message_view(entry) for entry in history.messages],
            markers=marker_views(conversation, history.markers),
            has_more=history.has_more,
            head=history.head,
        )
    )


ENDPOINTS = (
    Endpoint(
        method="PUT",
        path="/messages",
        handler=send_message,
        summary="Send a message",
        description="The answer comes once the message is durable: 201, or 200 for a repeated id.",
        body=SendRequest,
        replies={201: SentMessage, 200: SentMessage},
        errors=(
            SenderMismatch,
            NotParticipant,
            UnknownEmployee,
            IdConflict,
            RateLimited,
            Unavailable,
        ),
    ),
    Endpoint(
        method="POST",
        path="/messages",
        handler=read_history,
        summary="Read the history of two participants",
        body=HistoryRequest,
        at_once=LARGE_AT_ONCE,
        replies={200: HistoryView},
        errors=(NotParticipant, RateLimited, Unavailable),
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
