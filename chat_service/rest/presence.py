"""`GET /presence`: who is online. It must never know MongoDB or RabbitMQ."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from chat_service.presence import Presence, PresenceKeeper
from shared.emails import normalise
from shared.errors import RateLimited, Unavailable
from shared.http.endpoints import Endpoint, json_reply
from shared.tokens import Claims

PRESENCE = web.AppKey("presence", PresenceKeeper)


class PresenceQuery(Struct, frozen=True, forbid_unknown_fields=True):
    employee: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            max_length=200,
            description="the email address of an employee; give it once for each",
        ),
    ]


class PresenceView(Struct, frozen=True):
    """In the order of the question, each once. An address that nobody has is offline as well."""

    presence: list[Presence]


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
            "A client asks this once it is connected, and again after `resync`; changes reach it as"
            " `presence` events. Of two reports on one employee the later `last_seen` holds."
        ),
        query=PresenceQuery,
        replies={200: PresenceView},
        errors=(RateLimited, Unavailable),
    ),
)
