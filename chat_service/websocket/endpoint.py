"""The WebSocket endpoint: who may connect, and how sockets end; between that, `ops.py`.

It must never know MongoDB or RabbitMQ.
"""

import asyncio
import re

from aiohttp import web

from chat_service import protocol
from chat_service.delivery import Connection, Flusher, Writer, WriterState
from chat_service.protocol import CloseCode
from chat_service.websocket.authentication import Credentials, first_frame, verified
from chat_service.websocket.backend import Backend
from chat_service.websocket.ops import SocketOps
from chat_service.websocket.socket import WebSocket
from shared.errors import (
    ForeignOrigin,
    MalformedRequest,
    TooManyConnections,
    Unauthorized,
    Unavailable,
    UpgradeRequired,
)
from shared.http.addresses import client_address, one_client
from shared.http.endpoints import Endpoint, bearer
from shared.http.serving import watch_received

_KEY = re.compile("[A-Za-z0-9+/]{22}==")
SCHEMES = ("https", "http")
DRAIN_SPREAD_SECONDS = 5.0
"""Sockets of an instance that stops are asked to come back spread over this time."""


class Sockets:
    """The sockets of this instance."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._flusher = Flusher()
        self._open: set[WebSocket] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """`GET /ws`. Raises a `ServiceError` only before the upgrade."""
        settings, verifier = self._backend.settings, self._backend.verifier
        _check_upgrade(request)
        self._admit(request)
        token = bearer(request)
        credentials = None if token is None else await verified(verifier, token)
        ws = self._socket(request)
        try:
            if credentials is None:
                with self._backend.strangers.one(one_client(client_address(request))):
                    await self._open_socket(ws, request)
                    credentials = await first_frame(ws, verifier, settings.auth_seconds)
            else:
                await self._open_socket(ws, request)
            if credentials is not None:
                await self._serve(ws, credentials)
        finally:
            self._open.discard(ws)
            self._backend.counts.floods += ws.flooded
        return ws

    async def _open_socket(self, ws: WebSocket, request: web.Request) -> None:
        watch_received(request, ws.received)
        await ws.prepare(request)
        self._open.add(ws)

    async def check(self) -> str | None:
        """For readiness: None unless this instance is stopping."""
        return "this instance is stopping" if self._backend.draining.is_set() else None

    async def drain(self) -> None:
        """Send `going_away`, answer the ops that were accepted, then close every socket.

        Ops that arrive meanwhile are ignored: a client sends them again on its next socket.
        """
        self._backend.draining.set()
        connections = list(self._backend.hub)
        for number, connection in enumerate(connections):
            wait = DRAIN_SPREAD_SECONDS * number / len(connections)
            connection.send(protocol.GoingAway(round(wait * 1000)))
        await self._backend.log.drained()
        await asyncio.gather(
            *(
                ws.close(code=CloseCode.RESTART, message=b"this instance stops")
                for ws in list(self._open)
            ),
            return_exceptions=True,
        )

    def _admit(self, request: web.Request) -> None:
        self._check_origin(request)
        if self._backend.draining.is_set():
            raise Unavailable("This instance is stopping.", retry_after=1.0)
        if self._backend.hub.count >= self._backend.settings.max_connections:
            raise TooManyConnections("This instance is full; try again.", retry_after=1.0)

    def _check_origin(self, request: web.Request) -> None:
        """CORS does not protect WebSockets; a page of a foreign origin must not use ours.

        Our own origin is recognised by its host. Its scheme is known only to the proxy that ends
        TLS, so either will do.
        """
        origin = request.headers.get("Origin")
        if origin is None or origin in self._backend.settings.cors_origins:
            return
        if origin.lower() not in (f"{scheme}://{request.host.lower()}" for scheme in SCHEMES):
            raise ForeignOrigin(f"Pages of {origin[:200]} may not connect here.")

    def _socket(self, request: web.Request) -> WebSocket:
        settings, transport = self._backend.settings, request.transport
        if transport is None:  # the client has gone
            raise Unavailable("The connection was lost.")
        return WebSocket(
            transport,
            Writer(transport, settings.max_write_buffer, self._flusher),
            heartbeat=settings.heartbeat_seconds,
            max_frame_bytes=settings.max_frame_bytes + 1,  # aiohttp refuses this length itself
        )

    async def _serve(self, ws: WebSocket, credentials: Credentials) -> None:
        backend, in_flight = self._backend, self._backend.settings.max_in_flight
        claims, token = credentials.claims, credentials.token
        connection = Connection(ws.outgoing, claims, token, in_flight, ws.close_soon)
        try:
            backend.hub.attach(connection)
        except TooManyConnections as error:
            code = CloseCode.TRY_AGAIN if error.retry_after else CloseCode.TOO_MANY_CONNECTIONS
            await ws.refuse(error, None, code)
            return
        backend.counts.opened += 1
        try:
            await SocketOps(ws, connection, backend).run()
        finally:
            backend.hub.detach(connection)
            backend.counts.slow += ws.outgoing.state is WriterState.CUT_OFF


SOCKETS = web.AppKey("sockets", Sockets)


def _check_upgrade(request: web.Request) -> None:
    """Raises `UpgradeRequired` with what is missing of RFC 6455, section 4.2.1."""
    headers = request.headers
    wanted = {
        "Upgrade": ("websocket", headers.get("Upgrade", "").lower()),
        "Connection": ("upgrade", headers.get("Connection", "").lower()),
        "Sec-WebSocket-Version": ("13", headers.get("Sec-WebSocket-Version", "")),
    }
    for name, (value, given) in wanted.items():
        if value not in [part.strip() for part in given.split(",")]:
            raise UpgradeRequired(
                f"A WebSocket begins with the header {name}: {value}; it is missing or another."
                " A proxy in front may have taken it away."
            )
    if not _KEY.fullmatch(headers.get("Sec-WebSocket-Key", "")):
        raise MalformedRequest("The header Sec-WebSocket-Key must be 16 bytes in base64.")


async def websocket(request: web.Request) -> web.StreamResponse:
    return await request.app[SOCKETS].handle(request)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/ws",
        handler=websocket,
        summary="Open the WebSocket",
        description=(
            "`/asyncapi.json` has what goes through it. The token comes in the Authorization header"
            " or, where a browser cannot send that, in the first frame."
        ),
        replies={101: None},
        errors=(
            MalformedRequest,
            Unauthorized,
            ForeignOrigin,
            TooManyConnections,
            UpgradeRequired,
        ),
        public=True,
    ),
)
