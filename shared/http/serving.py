"""Serves HTTP to strangers: limits on what precedes a request, replies to what never becomes one.

aiohttp limits the size of each header, but neither their total size nor the time they take. A proxy
in front (deploy/proxy, an Ingress, a Gateway) usually limits both, more tightly, and answers itself
what is not HTTP. It does not help against slow bodies and slow readers, since it streams both, nor
against clients inside the cluster, and a service may run without one. So every limit holds here.

This is the only file that uses private parts of aiohttp. tests/unit/shared/http/test_serving.py
names those that an upgrade takes away.
"""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from shared.errors import HeadersTooLarge, InternalError, MalformedRequest, ServiceError
from shared.http import problems
from shared.http.middleware import new_request_id, protect
from shared.observability.logs import get_logger
from shared.settings import Settings

log = get_logger("serving")

MAX_LINE_BYTES = 32_768
"""Of the request line; query parameters may be lists."""
MAX_FIELD_BYTES = 131_072
"""Of one header: room for an absurdly long access token, which is then refused with 401."""
MAX_HEADER_BYTES = 163_840
"""Of all headers of a request together."""
MAX_HEADERS = 100
FIRST_REQUEST_SECONDS = 15.0
"""A new connection is closed if its first headers are not complete by then (slow loris)."""
UNREAD_SECONDS = 60.0
"""A peer that reads nothing of what is written to it for this long is cut off. TCP alone waits for
ever while the peer's window is closed, and a quarter of an hour after the peer has vanished."""
IDLE_SECONDS = 75.0
"""From one request until the next has complete headers; longer than proxies wait, which is 60 s."""


async def serve(app: web.Application, settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `announce` is called with each address once it listens."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = _Runner(
        app,
        access_log=None,
        handler_cancellation=False,
        keepalive_timeout=IDLE_SECONDS,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_FIELD_BYTES,
        max_headers=MAX_HEADERS,
        shutdown_timeout=settings.shutdown_seconds,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        for host, port, *_ in runner.addresses:
            announce(f"http://{host}:{port}")
        await stop.wait()
    finally:
        await runner.cleanup()


def watch_received(request: web.BaseRequest, received: Callable[[bytes], None]) -> None:
    """Call `received` with what each read of this connection brings from now on."""
    if isinstance(request.protocol, _Connection):
        request.protocol.received = received


class _Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            partial(_dispatch, made.request_handler),
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=made._loop,
            **made._kwargs,
        )


async def _dispatch(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], request: web.BaseRequest
) -> web.StreamResponse:
    """Refuse an unknown `Expect` header (RFC 9110, section 10.1.1).

    aiohttp would refuse it before any middleware, and echo what was sent.
    """
    if request.headers.get("Expect", "100-continue").lower() != "100-continue":
        return _refusal(request, MalformedRequest("The only expectation is 100-continue."))
    return await handle(request)


def _refusal(request: web.BaseRequest, error: ServiceError) -> web.Response:
    request_id = new_request_id()
    log.info("refused", request_id=request_id, status=error.status, remote=request.remote)
    response = problems.reply(error, request_id)
    protect(response, request_id)
    response.force_close()
    return response


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(RequestHandler):
    """One connection; its limits hold until it becomes a WebSocket."""

    __slots__ = ("_first_request", "_header_bytes", "received")

    received: Callable[[bytes], None] | None
    """Called with the bytes that came, before these are parsed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.received = None
        # RFC 5482; Linux applies it to closed windows too, and after our side has closed.
        transport.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNREAD_SECONDS * 1000)
        )
        self._header_bytes = 0
        self._first_request: asyncio.TimerHandle | None = self._loop.call_later(
            FIRST_REQUEST_SECONDS, self.force_close
        )

    def connection_lost(self, exc: BaseException | None) -> None:
        self._requested()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._current_request is not None:
            if self.received is not None:
                self.received(data)
            super().data_received(data)
            return
        requests = self._request_count
        super().data_received(data)
        waiting = self._request_count == requests
        if not waiting:
            self._requested()
        self._header_bytes = self._header_bytes + len(data) if waiting else 0
        if self._header_bytes > MAX_HEADER_BYTES:
            self.force_close()

    def log_exception(self, *args: Any, **more: Any) -> None:
        """Do not log a body that was not read and does not match its headers: it is no error."""
        if not isinstance(more.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **more)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The reply to what is not a request, and to errors that nothing else caught."""
        error: ServiceError
        if isinstance(exc, LineTooLong):
            error = HeadersTooLarge("The request line or a header is above this service's limit.")
        elif isinstance(exc, ConnectionError):  # nobody will read this
            error = MalformedRequest("The connection was lost.")
        elif status < 500:
            error = MalformedRequest("This is not a valid HTTP request.")
        else:
            log.error("uncaught error", exc_info=exc)
            error = InternalError(problems.LOGGED)
        return _refusal(request, error)

    def _requested(self) -> None:
        if self._first_request is not None:
            self._first_request.cancel()
            self._first_request = None
