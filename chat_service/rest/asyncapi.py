"""`GET /asyncapi.json`: the WebSocket protocol as an AsyncAPI document."""

from typing import Any

import msgspec
from aiohttp import web

from chat_service.protocol import asyncapi_document
from shared.http.docs import stored
from shared.http.endpoints import Endpoint

_DOCUMENT = msgspec.json.encode(asyncapi_document())


async def asyncapi(request: web.Request) -> web.Response:
    return stored(request, _DOCUMENT, "application/json")


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/asyncapi.json",
        handler=asyncapi,
        summary="The WebSocket protocol, as an AsyncAPI 3.0 document",
        replies={200: dict[str, Any], 304: None},
        public=True,
    ),
)
