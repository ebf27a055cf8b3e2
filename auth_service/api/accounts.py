"""Endpoints of signing up and logging in, and what other services read of keys and sessions."""

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
    # aiohttp turns bytes that are not UTF-8 into lone surrogates, which cannot be stored.
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
        summary="Log in: returns an access token, and a refresh token for the next one",
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
            "A refresh token is used once: keep the one that the reply has. If no reply arrives,"
            " send the same token again. An older one ends the session, because somebody has a"
            " copy of it."
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
        summary="The public keys that verify access tokens (RFC 7517)",
        replies={200: Jwks},
        headers={"Cache-Control": "public, max-age=60"},
        public=True,
    ),
    Endpoint(
        method="GET",
        path=REVOKED_SESSIONS,
        handler=revoked_sessions,
        summary="Revoked sessions, whose access tokens must no longer be accepted",
        description=(
            "Oldest revocation first: all that were revoked at `since`, and"
            f" {MOST_REVOKED} later ones; ties at the limit are included. If the list is that"
            " long, ask again with the last `revoked_at`, until nothing is later. The ids are"
            " random and mean nothing to strangers."
        ),
        query=Since,
        replies={200: RevokedSessions},
        public=True,
    ),
)
