"""The WebSocket endpoint: who may connect, and how a socket ends; between that, `ops.py`.

It must never know MongoDB or RabbitMQ.
"""

import asyncio
from typing import cast

from aiohttp import WSMsgType, web

from chat_service import protocol
from chat_service.delivery import Connection, Flusher
from chat_service.protocol import CloseCode, encode
from chat_service.websocket.ops import Services, SocketOps, error_event
from chat_service.websocket.socket import WebSocket
from shared.decoding import decode
from shared.errors import (
    ForeignOrigin,
    InvalidInput,
    ServiceError,
    TooManyConnections,
    Unauthorized,
    Unavailable,
)
from shared.http.endpoints import Endpoint, bearer
from shared.observability.logs import get_logger
from shared.tokens import Claims

log = get_logger("socket")

SCHEMES = ("https", "http")
DRAIN_SPREAD_SECONDS = 5.0
"""Sockets of an instance that stops are asked to come back spread over this time."""


class Sockets:
    """The sockets of this instance."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._flusher = Flusher()
        self._open: set[WebSocket] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """`GET /ws`. Raises a `ServiceError` only before the upgrade."""
        settings = self._services.settings
        self._check_origin(request)
        if self._services.draining.is_set():
            raise Unavailable("This instance is stopping.", retry_after=1.0)
        if len(self._open) >= settings.max_connections:
            raise TooManyConnections("This instance is full; try again.", retry_after=1.0)
        token = bearer(request)
        claims = None if token is None else await self._verified(token)
        transport = request.transport
        if transport is None:  # the client has gone
            raise Unavailable("The connection was lost.")
        ws = WebSocket(
            transport,
            heartbeat=settings.heartbeat_seconds,
            max_msg_size=settings.max_frame_bytes,
            compress=False,
            decode_text=False,
        )
        await ws.prepare(request)
        self._open.add(ws)
        try:
            if token is None:
                token, claims = await self._first_op(ws)
            if token is not None and claims is not None:
                await self._serve(transport, ws, token, claims)
        finally:
            self._open.discard(ws)
        return ws

    async def check(self) -> str | None:
        """For readiness: None unless this instance is stopping."""
        return "this instance is stopping" if self._services.draining.is_set() else None

    async def drain(self) -> None:
        """Say goodbye to every socket, answer what was taken in, then close them all.

        Nothing is taken in any more: what a peer still sends, it sends again elsewhere.
        """
        self._services.draining.set()
        connections = list(self._services.hub)
        for number, connection in enumerate(connections):
            wait = DRAIN_SPREAD_SECONDS * number / len(connections)
            connection.send(protocol.GoingAway(round(wait * 1000)))
        await self._services.log.drained()
        await asyncio.gather(
            *(
                ws.close(code=CloseCode.RESTART, message=b"this instance stops")
                for ws in list(self._open)
            ),
            return_exceptions=True,
        )

    def _check_origin(self, request: web.Request) -> None:
        """CORS does not protect WebSockets; a page of a foreign origin must not use ours.

        Our own is told by its host: whether it came by TLS, the proxy that ended that knows.
        """
        origin = request.headers.get("Origin")
        if origin is None or origin in self._services.settings.cors_origins:
            return
        if origin.lower() not in (f"{scheme}://{request.host.lower()}" for scheme in SCHEMES):
            raise ForeignOrigin(f"Pages of {origin[:200]} may not connect here.")

    async def _first_op(self, ws: WebSocket) -> tuple[str | None, Claims | None]:
        try:
            async with asyncio.timeout(self._services.settings.auth_seconds):
                message = await ws.receive()
        except TimeoutError:
            await ws.close(code=CloseCode.AUTH_TIMEOUT, message=b"no auth op in time")
            return None, None
        if message.type is WSMsgType.BINARY:
            await ws.close(code=CloseCode.PROTOCOL_VIOLATION, message=b"text frames only")
        if message.type is not WSMsgType.TEXT:
            return None, None
        data = cast(bytes, message.data)
        try:
            op = decode(protocol.op_decoder, data)
            if not isinstance(op, protocol.Auth):
                raise Unauthorized("The first op must be auth.")
            claims = await self._verified(op.token)
        except ServiceError as error:
            code = CloseCode.TRY_AGAIN if error.status == 503 else CloseCode.UNAUTHORIZED
            await self._refuse(ws, error, protocol.op_id(data), code)
            return None, None
        return op.token, claims

    async def _verified(self, token: str) -> Claims:
        verifier = self._services.verifier
        return verifier.cached(token) or await verifier.verify(token)

    async def _serve(
        self, transport: asyncio.Transport, ws: WebSocket, token: str, claims: Claims
    ) -> None:
        services = self._services
        connection = Connection(transport, claims, token, services.bounds, self._flusher)
        ws.before_close = connection.end
        try:
            services.hub.attach(connection)
        except TooManyConnections as error:
            code = CloseCode.TRY_AGAIN if error.retry_after else CloseCode.TOO_MANY_CONNECTIONS
            await self._refuse(ws, error, None, code)
            return
        services.counts.opened += 1
        try:
            await SocketOps(ws, connection, services).run()
        finally:
            services.hub.detach(connection)
            services.counts.slow += connection.cut_off is CloseCode.SLOW_CONSUMER

    async def _refuse(
        self, ws: WebSocket, error: ServiceError, id: str | None, code: CloseCode
    ) -> None:
        await ws.send_frame(encode(error_event(error, id)), WSMsgType.TEXT)
        await ws.close(code=code, message=error.code.encode())


SOCKETS = web.AppKey("sockets", Sockets)


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
        errors=(Unauthorized, ForeignOrigin, InvalidInput, TooManyConnections),
        public=True,
    ),
)
