"""The REST endpoints of messages: send, read the history, edit, delete.

They must never know MongoDB or RabbitMQ.
"""

from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from aiohttp import web

from chat_service.log import Draft, Settle, with_other
from chat_service.messaging import Messaging
from chat_service.rest.schemas import (
    Amended,
    DeleteQuery,
    EditRequest,
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
    MessageDeleted,
    NotParticipant,
    NotSender,
    RateLimited,
    SenderMismatch,
    Unavailable,
    UnknownEmployee,
    UnknownMessage,
)
from shared.http.endpoints import Endpoint, bearer, json_reply
from shared.times import in_utc
from shared.tokens import Claims

MESSAGING = web.AppKey("messaging", Messaging)

LARGE_AT_ONCE = 16
"""How many requests of an employee may be under way for replies that can exceed half a megabyte;
our page sends a few."""


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
    conversation = with_other(caller.email, _other(caller, body.participants), "$.participants")
    history = await request.app[MESSAGING].history(
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


async def edit_message(
    request: web.Request, *, caller: Claims, body: EditRequest
) -> web.StreamResponse:
    return await _amend(request, caller, body.id or uuid4(), body.text)


async def delete_message(
    request: web.Request, *, caller: Claims, query: DeleteQuery
) -> web.StreamResponse:
    id = query.id or uuid5(NAMESPACE_OID, f"delete {_message(request)}")
    try:
        return await _amend(request, caller, id, None)
    except IdConflict:  # whoever knows the message can have used the derived id for something else
        if query.id is not None:
            raise
        return await _amend(request, caller, uuid4(), None)


async def _amend(
    request: web.Request, caller: Claims, id: UUID, text: str | None
) -> web.StreamResponse:
    """Edit the message, or delete it where `text` is None."""
    messaging = request.app[MESSAGING]
    message = _message(request)
    conversation = await messaging.conversations.get(caller.email, request.match_info["id"])

    def draft(settle: Settle) -> Draft:
        about = (conversation, id, caller.email, message)
        if text is None:
            return Draft.delete(*about, settle=settle)
        return Draft.edit(*about, text=text, settle=settle)

    entry = (await messaging.append(draft)).entry
    return json_reply(Amended(entry.conversation, entry.seq, entry.id, message, entry.timestamp))


def _message(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["message"])
    except ValueError:
        raise UnknownMessage("The id of a message is a UUID.") from None


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
        raise NotParticipant("You must be one of the participants.")
    return addresses[1] if addresses[0] == caller.email else addresses[0]


_AMENDING = (
    NotParticipant,
    NotSender,
    UnknownMessage,
    MessageDeleted,
    IdConflict,
    RateLimited,
    Unavailable,
)

ENDPOINTS = (
    Endpoint(
        method="PUT",
        path="/messages",
        handler=send_message,
        summary="Send a message",
        description="Answered once the message is durable: 201, or 200 for a repeated id.",
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
    Endpoint(
        method="PATCH",
        path="/conversations/{id}/messages/{message}",
        handler=edit_message,
        summary="Change the text of your own message",
        body=EditRequest,
        replies={200: Amended},
        errors=_AMENDING,
    ),
    Endpoint(
        method="DELETE",
        path="/conversations/{id}/messages/{message}",
        handler=delete_message,
        summary="Delete your own message, and its text from every edit",
        query=DeleteQuery,
        replies={200: Amended},
        errors=_AMENDING,
    ),
)
