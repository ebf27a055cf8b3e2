"""The REST endpoints of conversations: the list and the markers.

They must never know MongoDB or RabbitMQ.
"""

from aiohttp import web

from chat_service.inbox import ConversationList, Marking
from chat_service.rest.messages import LARGE_AT_ONCE, MESSAGING
from chat_service.rest.schemas import (
    ConversationsQuery,
    ConversationsView,
    MarkerView,
    MarkRequest,
    conversation_view,
    marker_views,
)
from shared.errors import FieldProblem, InvalidInput, NotParticipant, RateLimited, Unavailable
from shared.http.endpoints import Endpoint, json_reply
from shared.tokens import Claims

CONVERSATION_LIST = web.AppKey("conversation_list", ConversationList)
MARKING = web.AppKey("marking", Marking)


async def list_conversations(
    request: web.Request, *, caller: Claims, query: ConversationsQuery
) -> web.StreamResponse:
    await request.app[MARKING].flushed()  # so that `unread` counts what was marked before
    listed, following = await request.app[CONVERSATION_LIST].page(
        caller.email, query.before, query.limit
    )
    return json_reply(ConversationsView([conversation_view(one) for one in listed], following))


async def move_markers(
    request: web.Request, *, caller: Claims, body: MarkRequest
) -> web.StreamResponse:
    if body.received is None and body.read is None:
        raise InvalidInput(
            "There is nothing to mark.",
            problems=(FieldProblem("$", "expected `received` or `read`"),),
        )
    conversations = request.app[MESSAGING].conversations
    conversation = await conversations.get(caller.email, request.match_info["id"])
    marking = request.app[MARKING]
    marking.mark(caller.email, conversation, body.received, body.read)
    await marking.flushed()
    markers = await marking.of(conversation)
    mine = conversation.participants.index(caller.email)
    return json_reply(marker_views(conversation, markers)[mine])


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/conversations",
        handler=list_conversations,
        summary="List your conversations, the most recent first",
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
        description="Markers never go back. A position beyond the head means the head.",
        body=MarkRequest,
        replies={200: MarkerView},
        errors=(NotParticipant, RateLimited, Unavailable),
    ),
)
