"""A small service of the same assembly as the real ones: notes that nobody keeps."""

from typing import Annotated, Any

from aiohttp import web
from msgspec import Meta, Struct

from shared.errors import RateLimited
from shared.http.application import assemble
from shared.http.endpoints import Endpoint, json_reply
from shared.http.health import Health
from shared.observability.metrics import HttpMetrics
from shared.settings import Settings

ORIGIN = "https://chat.example.com"
LIMIT = 1000


class Note(Struct, frozen=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1)]


class Page(Struct, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1)] = 10


class Dependency:
    """A dependency that can be made to fail."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.fault: Exception | None = None

    async def check(self) -> str | None:
        if self.fault is not None:
            raise self.fault
        return self.reason


async def write_note(_request: web.Request, body: Note) -> web.Response:
    return json_reply(body, status=201)


async def list_notes(_request: web.Request, query: Page) -> web.Response:
    return json_reply([query.limit])


async def fail(_request: web.Request) -> web.Response:
    raise RuntimeError("the password is hunter2")


async def talk(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close()
    return socket


async def refuse(_request: web.Request) -> web.Response:
    raise RateLimited("Slower, please.", retry_after=1.2)


def endpoint(method: str, path: str, handler: Any, **more: Any) -> Endpoint:
    return Endpoint(
        method=method,
        path=path,
        handler=handler,
        summary=path,
        replies={200: None},
        **{"public": True, **more},
    )


def notes_settings() -> Settings:
    return Settings(
        mongo_url="mongodb://127.0.0.1",
        mongo_database="unused",
        host="127.0.0.1",
        port=0,
        cors_origins=(ORIGIN,),
        max_body_bytes=LIMIT,
    )


def notes_service(dependency: Dependency) -> web.Application:
    return assemble(
        notes_settings(),
        title="Notes <of> everyone",
        description="For tests.",
        endpoints=[
            endpoint("POST", "/notes", write_note, body=Note),
            endpoint("GET", "/broken", fail),
            endpoint("GET", "/notes", list_notes, query=Page),
            endpoint("GET", "/refused", refuse),
            endpoint("GET", "/private", refuse, public=False),
            endpoint("GET", "/ws", talk),
        ],
        health=Health({"database": dependency.check}, timeout=0.5),
        metrics=HttpMetrics(),
    )
