"""Service errors as HTTP replies: `application/problem+json` (RFC 9457)."""

import math

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct, UnsetType

from shared.errors import FieldProblem, ServiceError

CONTENT_TYPE = "application/problem+json"
LOGGED = "The error was logged; quote the request id."
"""The detail of an `InternalError`."""


class Problem(Struct, frozen=True, omit_defaults=True):
    """RFC 9457, section 3.1; `code`, `request_id`, `errors` and `retry_after_ms` are ours."""

    title: str
    status: int
    code: str
    detail: str
    request_id: str
    type: str = "about:blank"
    errors: tuple[FieldProblem, ...] | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET


_encoder = msgspec.json.Encoder()


def reply(error: ServiceError, request_id: str) -> web.Response:
    """The HTTP reply for `error`."""
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="messaging"'
    if error.status == 426:  # RFC 9110, section 15.5.22; RFC 6455, section 4.4
        headers |= {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    problem = Problem(
        title=error.title,
        status=error.status,
        code=error.code,
        detail=error.detail,
        request_id=request_id,
        errors=error.problems or UNSET,
        retry_after_ms=UNSET if error.retry_after is None else retry_after_ms(error.retry_after),
    )
    return web.Response(
        status=error.status,
        body=_encoder.encode(problem),
        content_type=CONTENT_TYPE,
        headers=headers,
    )


def retry_after_ms(seconds: float) -> int:
    """A wait in whole milliseconds, rounded up so that it is never too short."""
    return math.ceil(seconds * 1000)
