"""The REST endpoint of presence. It must never know MongoDB or RabbitMQ."""

from aiohttp import web

from chat_service.presence import PresenceKeeper
from chat_service.rest.schemas import PresenceQuery, PresenceView
from shared.emails import normalise
from shared.errors import RateLimited, Unavailable
from shared.http.endpoints import Endpoint, json_reply
from shared.tokens import Claims

PRESENCE = web.AppKey("presence", PresenceKeeper)


async def read_presence(
    request: web.Request, *, caller: Claims, query: PresenceQuery
) -> web.StreamResponse:
    employees = [
        normalise(address, f"$.employee[{number}]") for number, address in enumerate(query.employee)
    ]
    return json_reply(PresenceView(await request.app[PRESENCE].of(list(dict.fromkeys(employees)))))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/presence",
        handler=read_presence,
        summary="Read who is online",
        description=(
            "Ask this once connected, and again after `resync`; `presence` events report the"
            " changes. Of two reports on an employee, the one with the later `last_seen` holds."
        ),
        query=PresenceQuery,
        replies={200: PresenceView},
        errors=(RateLimited, Unavailable),
    ),
)
