"""The HTTP endpoints: take, call inward, answer. What they raise becomes a problem elsewhere."""

from aiohttp import web

from auth_service.accounts import Accounts
from auth_service.schemas import EmployeeView, Grant, LogIn, Refresh, SignUp, Since
from auth_service.sessions import Device, Sessions
from auth_service.tokens import KeyRing
from shared.auth_events import MOST_REVOKED, REVOKED_SESSIONS, RevokedSessions
from shared.errors import EmailTaken, InvalidCredentials, RateLimited, SignUpClosed
from shared.http.addresses import client_address
from shared.http.endpoints import Endpoint, json_reply
from shared.jwks import Jwks
from shared.times import in_utc

ACCOUNTS = web.AppKey("accounts", Accounts)
KEYS = web.AppKey("keys", KeyRing)
SESSIONS = web.AppKey("sessions", Sessions)

NO_STORE = {"Cache-Control": "no-store"}


async def sign_up(request: web.Request, body: SignUp) -> web.Response:
    return json_reply(
        await request.app[ACCOUNTS].sign_up(body, client_address(request)), status=201
    )


async def log_in(request: web.Request, body: LogIn) -> web.Response:
    return json_reply(await request.app[ACCOUNTS].log_in(body, _device(request)))


async def refresh(request: web.Request, body: Refresh) -> web.Response:
    address = client_address(request)
    return json_reply(await request.app[ACCOUNTS].refresh(body.refresh_token, address))


async def jwks(request: web.Request) -> web.Response:
    return json_reply(request.app[KEYS].jwks)


async def revoked_sessions(request: web.Request, query: Since) -> web.Response:
    since = None if query.since is None else in_utc(query.since, "$.since")
    revoked = await request.app[SESSIONS].revoked(since, MOST_REVOKED)
    return json_reply(RevokedSessions(tuple(revoked)))


def _device(request: web.Request) -> Device:
    """aiohttp keeps bytes that are no UTF-8 as lone surrogates, which cannot be stored."""
    sent = request.headers.get("User-Agent", "").encode(errors="surrogateescape")
    return Device(sent.decode(errors="replace"), client_address(request))


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/employees",
        handler=sign_up,
        summary="Sign up",
        body=SignUp,
        replies={201: EmployeeView},
        errors=(EmailTaken, RateLimited, SignUpClosed),
        public=True,
    ),
    Endpoint(
        method="POST",
        path="/login",
        handler=log_in,
        summary="Log in: an access token, and a refresh token to get the next one with",
        body=LogIn,
        replies={200: Grant},
        errors=(InvalidCredentials, RateLimited),
        headers=NO_STORE,
        public=True,
    ),
    Endpoint(
        method="POST",
        path="/token/refresh",
        handler=refresh,
        summary="Get the next access token",
        description=(
            "Each refresh token is used once: keep the one that comes back. If no reply came, send"
            " the same again. One that is older ends the session, as somebody has a copy."
        ),
        body=Refresh,
        replies={200: Grant},
        errors=(InvalidCredentials, RateLimited),
        headers=NO_STORE,
        public=True,
    ),
    Endpoint(
        method="GET",
        path="/.well-known/jwks.json",
        handler=jwks,
        summary="The public keys that access tokens are verified with (RFC 7517)",
        replies={200: Jwks},
        headers={"Cache-Control": "public, max-age=60"},
        public=True,
    ),
    Endpoint(
        method="GET",
        path=REVOKED_SESSIONS,
        handler=revoked_sessions,
        summary="Sessions whose access tokens must not be believed any more",
        description=(
            "In the order of their revocation: all of the time that was asked for,"
            f" {MOST_REVOKED} of later, and all of the last one's time. Where there are as many,"
            " ask again with this one, until nothing is later. The ids say nothing to strangers."
        ),
        query=Since,
        replies={200: RevokedSessions},
        public=True,
    ),
)
