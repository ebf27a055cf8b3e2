"""HTTP endpoints as values: each declares its input and replies once, to be checked and documented.

A handler is called with the request and, as declared, `caller` (the claims of the verified token),
`body` and `query` (decoded structs). `shared.http.openapi` reads the same declarations.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import aiohttp_cors
import msgspec
from aiohttp import web
from msgspec import Struct, field

from shared.decoding import convert, decode
from shared.errors import (
    BodyTimeout,
    MalformedBody,
    ServiceError,
    Unauthorized,
    UnsupportedMediaType,
)
from shared.http.concurrency import ConcurrencyLimit
from shared.tokens import VERIFIER, Claims

MAX_TOKEN = 8192
"""Characters of a bearer token; ours have about 500."""

BODY_SECONDS = 20.0
"""For a whole body (64 KiB by default); a client that takes longer is an attack (slow loris)."""

ENCODINGS = ("identity", "gzip", "deflate")
"""Of a body."""

ADMISSION: web.AppKey[Callable[[Claims], None]] = web.AppKey("admission")
"""Called with the caller of every request that is not public; raises `RateLimited`."""

_encoder = msgspec.json.Encoder()

EndpointHandler = Callable[..., Awaitable[web.StreamResponse]]


class Endpoint(Struct, frozen=True, kw_only=True):
    """One method of one path. `replies` maps a status to the type of its body, None for no body.
    `at_once` bounds how many requests of one caller are in progress; it is for large replies."""

    method: str
    path: str
    handler: EndpointHandler
    summary: str
    replies: dict[int, Any]
    body: Any = None
    query: Any = None
    errors: tuple[type[ServiceError], ...] = ()
    public: bool = False
    description: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    at_once: int | None = None


def json_reply(
    value: object, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """A reply with `value` as JSON."""
    return web.Response(
        body=_encoder.encode(value),
        status=status,
        content_type="application/json",
        headers=headers,
    )


def register(app: web.Application, endpoints: Iterable[Endpoint], origins: Iterable[str]) -> None:
    """Add `endpoints` to `app`. Browsers may call them from exactly these `origins`."""
    cors = aiohttp_cors.setup(
        app,
        defaults={
            origin: aiohttp_cors.ResourceOptions(  # type: ignore[no-untyped-call]
                allow_headers=("Authorization", "Content-Type", "X-Request-ID"),
                expose_headers=("X-Request-ID", "Retry-After"),
                max_age=600,
            )
            for origin in origins
        },
    )
    # One resource per path, wherever its methods are declared: it answers the preflight for all.
    resources: dict[str, web.Resource] = {}
    for endpoint in endpoints:
        if endpoint.path not in resources:
            # Match whole segments: aiohttp's own pattern excludes braces and would answer 404.
            pattern = re.sub(r"{(\w+)}", r"{\1:[^\\x2f]+}", endpoint.path)
            resources[endpoint.path] = cors.add(app.router.add_resource(pattern))
        handler = _handler(endpoint)
        cors.add(resources[endpoint.path].add_route(endpoint.method, handler))
        if endpoint.method == "GET":  # aiohttp leaves the body out
            cors.add(resources[endpoint.path].add_route("HEAD", handler))


def bearer(request: web.Request) -> str | None:
    """The token of the `Authorization` header, None without that header.

    Raises `Unauthorized` for another scheme, or for more than `MAX_TOKEN` characters.
    """
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN:
        raise Unauthorized("The Authorization header must be: Bearer <access token>.")
    return token


async def authenticate(request: web.Request) -> Claims:
    """The claims of the request's token. Raises `Unauthorized` or `Unavailable`."""
    token = bearer(request)
    if token is None:
        raise Unauthorized("Send the header Authorization: Bearer <access token>.")
    verifier = request.app[VERIFIER]
    return verifier.cached(token) or await verifier.verify(token)


def _handler(endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    decoder = None if endpoint.body is None else msgspec.json.Decoder(endpoint.body)
    turns = None if endpoint.at_once is None else ConcurrencyLimit(endpoint.at_once)
    return partial(_call, endpoint, decoder, turns)


async def _call(
    endpoint: Endpoint,
    decoder: msgspec.json.Decoder[Any] | None,
    turns: ConcurrencyLimit | None,
    request: web.Request,
) -> web.StreamResponse:
    arguments: dict[str, Any] = {}
    if not endpoint.public:
        arguments["caller"] = caller = await authenticate(request)
        admission = request.app.get(ADMISSION)
        if admission is not None:
            admission(caller)
    if endpoint.query is not None:
        arguments["query"] = convert(request.query.items(), endpoint.query)
    if decoder is not None:
        arguments["body"] = await _body(request, decoder)
    if turns is not None:
        await turns.acquire(arguments["caller"].sub)
    response = await endpoint.handler(request, **arguments)
    if endpoint.headers and not response.prepared:
        response.headers.update(endpoint.headers)
    return response


async def _body(request: web.Request, decoder: msgspec.json.Decoder[Any]) -> Any:
    _check_encoding(request)
    try:
        if request.content.is_eof():  # it arrived together with the headers
            data = await request.read()
        else:
            async with asyncio.timeout(BODY_SECONDS):
                data = await request.read()
    except TimeoutError:
        raise BodyTimeout(f"The body must arrive within {BODY_SECONDS:g} s.") from None
    except ConnectionError:  # nobody will read this
        raise MalformedBody("The connection was lost before the body had arrived.") from None
    except web.RequestPayloadError:
        raise MalformedBody("The body is not encoded as its headers say.") from None
    if not data:
        raise MalformedBody("The body is empty; JSON was expected.")
    return decode(decoder, data)


def _check_encoding(request: web.Request) -> None:
    """Raises `UnsupportedMediaType` unless the body is JSON in UTF-8 (RFC 8259, section 8.1), as it
    is or compressed in a way that aiohttp decodes."""
    if request.content_type != "application/json":
        raise UnsupportedMediaType("Send the header Content-Type: application/json.")
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("JSON is sent in UTF-8; this names another charset.")
    if request.headers.get("Content-Encoding", "identity").lower() not in ENCODINGS:
        raise UnsupportedMediaType(f"The body may be encoded as: {', '.join(ENCODINGS)}.")


def path_parameters(path: str) -> list[str]:
    """The names in `/things/{name}/{other}`."""
    return re.findall(r"{(\w+)[^}]*}", path)
