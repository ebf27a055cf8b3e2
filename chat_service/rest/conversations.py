"""The REST endpoints of conversations: the list, markers, and changes to one's own messages.

They must never know MongoDB or RabbitMQ.
"""

from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from aiohttp import web

from chat_service.inbox import ConversationList, Marking
from chat_service.log import Draft, Entry, Settle
from chat_service.rest.messages import LARGE_AT_ONCE, MESSAGING
from chat_service.rest.schemas import (
    Amended,
    ConversationsQuery,
    ConversationsView,
    DeleteQuery,
    EditRequest,
    MarkerView,
    MarkRequest,
    conversation_view,
    marker_views,
)
from shared.errors import (
    FieldProblem,
    IdConflict,
    InvalidInput,
    MessageDeleted,
    NotParticipant,
    NotSender,
    RateLimited,
    Unavailable,
    UnknownMessage,
)
from shared.http.endpoints import Endpoint, json_reply
from shared.tokens import Claims

CONVERSATION_LIST = web.AppKey("conversation_list", ConversationList)
MARKING = web.AppKey("marking", Marking)


async def list_conversations(
    request: web.Request, *, caller: Claims, query: ConversationsQuery
) -> web.StreamResponse:
    await request.app[MARKING].flushed()
    listed, following = await request.app[CONVERSATION_LIST].page(
        caller.email, query.before, query.limit
    )
    return json_reply(ConversationsView([conversation_view(one) for one in listed], following))


async def move_markers(
    request: web.Request, *, caller: Claims, body: MarkRequest
) -> web.StreamResponse:
    if body.received is None and body.read is None:
        raise InvalidInput(
            "Say what to mark.", problems=(FieldProblem("$", "expected `received` or `read`"),)
        )
    conversations = request.app[MESSAGING].conversations
    conversation = await conversations.get(caller.email, request.match_info["id"])
    marking = request.app[MARKING]
    marking.mark(caller.email, conversation, body.received, body.read)
    await marking.flushed()
    markers = await marking.of(conversation)
    mine = conversation.participants.index(caller.email)
    return json_reply(marker_views(conversation, markers)[mine])


async def edit_message(
    request: web.Request, *, caller: Claims, body: EditRequest
) -> web.StreamResponse:
    return await _amend(request, caller, body.id or uuid4(), body.text)


async def delete_message(
    request: web.Request, *, caller: Claims, query: DeleteQuery
) -> web.StreamResponse:
    if query.id is not None:
        return await _amend(request, caller, query.id, None)
    id = uuid5(NAMESPACE_OID, f"delete {_message(request)}")
    try:
        return await _amend(request, caller, id, None)
    except IdConflict:  # whoever knows the message may have taken it
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

    sent = await messaging.append(draft)
    return json_reply(_amended(sent.entry, message))


def _amended(entry: Entry, message: UUID) -> Amended:
    return Amended(entry.conversation, entry.seq, entry.id, message, entry.timestamp)


def _message(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["message"])
    except ValueError:
        raise UnknownMessage("A message is named by its UUID.") from None


_AMENDMENT_ERRORS = (
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
        method="GET",
        path="/conversations",
        handler=list_conversations,
        summary="List one's conversations, the most recent first",
        query=ConversationsQuery,
        at_once=LARGE_AT_ONCE,
        replies={200: ConversationsView},
        errors=(RateLimited, Unavailable),
    ),
    Endpoint(
        method="PUT",
        path="/conversations/{id}/markers",
        handler=move_markers,
        summary="Mark a conversation as received or read up to a position",
        description="Markers never go back, and a mark beyond the head means the head.",
        body=MarkRequest,
        replies={200: MarkerView},
        errors=(NotParticipant, RateLimited, Unavailable),
    ),
    Endpoint(
        method="PATCH",
        path="/conversations/{id}/messages/{message}",
        handler=edit_message,
        summary="Change the text of one's own message",
        body=EditRequest,
        replies={200: Amended},
        errors=_AMENDMENT_ERRORS,
    ),
    Endpoint(
        method="DELETE",
        path="/conversations/{id}/messages/{message}",
        handler=delete_message,
        summary="Delete one's own message, text and edits",
        query=DeleteQuery,
        replies={200: Amended},
        errors=_AMENDMENT_ERRORS,
    ),
)
