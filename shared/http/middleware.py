"""The outermost middleware: request ids, errors as replies, access log, metrics, safe headers."""

import re
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

from aiohttp import web

from shared.errors import (
    BodyTooLarge,
    Forbidden,
    InternalError,
    InvalidInput,
    MethodNotAllowed,
    NotFound,
    ServiceError,
)
from shared.http import problems
from shared.http.addresses import client_address
from shared.http.request_log import RequestLine, RequestLog
from shared.observability.logs import REQUEST, get_logger
from shared.observability.metrics import METRICS

log = get_logger("http")

REQUEST_LOG = web.AppKey("request_log", RequestLog)
REQUEST_ID = web.RequestKey("request_id", str)

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LOGGED_PATH = 256
"""Characters of a path that are logged."""

_NO_CONTENT = "default-src 'none'; frame-ancestors 'none'"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every request an id, turn failures into problems, and log and count the request once."""
    started = time.perf_counter()
    request_id = request[REQUEST_ID] = _request_id(request)
    remote = client_address(request)
    about = REQUEST.set((request_id, remote))
    try:
        response = _options(request) or await handler(request)
    except ServiceError as error:
        response = problems.reply(error, request_id)
    except web.HTTPException as error:
        response = _from_aiohttp(error, request_id)
    except Exception:
        log.exception("unhandled error", method=request.method, path=_path(request))
        response = problems.reply(InternalError(problems.LOGGED), request_id)
    finally:
        REQUEST.reset(about)
    _account(request, response.status, time.perf_counter() - started, request_id, remote)
    return response


def _options(request: web.Request) -> web.Response | None:
    """The methods of a path, for who asks for them and is no browser with a preflight."""
    if request.method != "OPTIONS" or "Origin" in request.headers:
        return None
    resource = request.match_info.route.resource
    if resource is not None:
        methods = {route.method for route in resource}
    elif isinstance(error := request.match_info.http_exception, web.HTTPMethodNotAllowed):
        methods = set(error.allowed_methods)
    else:
        return None
    return web.Response(status=204, headers={"Allow": ", ".join(sorted(methods | {"OPTIONS"}))})


async def stamp(request: web.Request, response: web.StreamResponse) -> None:
    """Set headers on every reply, also on WebSockets and on requests that no handler saw."""
    protect(response, request.get(REQUEST_ID) or _request_id(request))


def protect(response: web.StreamResponse, request_id: str) -> None:
    """Set the headers that every reply has; those that a handler has set stay."""
    headers = response.headers
    headers["X-Request-ID"] = request_id
    headers["Server"] = "messaging"  # instead of the software and its version
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    # Browsers heed it over TLS only (RFC 6797, section 8.1), which a proxy in front terminates.
    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if response.content_type != "text/html":  # a page sets its own policy
        headers.setdefault("Content-Security-Policy", _NO_CONTENT)
    headers.add("Vary", "Origin")  # aiohttp-cors echoes the origin


def new_request_id() -> str:
    return uuid4().hex


def _from_aiohttp(error: web.HTTPException, request_id: str) -> web.StreamResponse:
    if error.status < 400:
        return error
    mapped: ServiceError
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        mapped = MethodNotAllowed(f"Allowed here: {allowed}.")
        response = problems.reply(mapped, request_id)
        response.headers["Allow"] = allowed
        return response
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        mapped = BodyTooLarge("The body is larger than this service allows.")
    elif error.status == 403:  # aiohttp-cors says which origin, method or header it is
        mapped = Forbidden(f"{(error.text or error.reason)[:300]}.")
    elif error.status == 404:
        mapped = NotFound("There is no such path.")
    elif error.status >= 500:
        mapped = InternalError(problems.LOGGED)
        log.error("error reply", status=error.status, reason=error.reason, request_id=request_id)
    else:
        mapped = InvalidInput(f"{error.reason}.")
    return problems.reply(mapped, request_id)


def _account(
    request: web.Request, status: int, seconds: float, request_id: str, remote: str
) -> None:
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unmatched"
    method = request.method if request.method in _METHODS else "OTHER"
    metrics = request.app[METRICS]
    metrics.count(method, route, status)
    if status != 101:  # the duration of a WebSocket is not a latency
        metrics.time(method, route, seconds)
    if route not in _QUIET:
        path, ms = _path(request), round(seconds * 1000, 2)
        line = RequestLine(request_id, request.method, path, status, ms, remote)
        request.app[REQUEST_LOG].add(line)


def _path(request: web.Request) -> str:
    """The path, still percent-encoded so that it cannot forge a line of the log."""
    path = request.rel_url.raw_path[:_LOGGED_PATH]
    return path if path.isascii() else path.encode("ascii", "backslashreplace").decode()


def _request_id(request: web.Request) -> str:
    """The client's id if it is harmless, else a new one."""
    sent = request.headers.get("X-Request-ID", "")
    return sent if _ACCEPTED_ID.fullmatch(sent) else new_request_id()
