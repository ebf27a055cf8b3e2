"""The HTTP endpoints of sessions: log out, see where one is logged in, end a session elsewhere."""

from aiohttp import web

from auth_service.accounts import OwnSessions
from auth_service.schemas import SessionList
from shared.errors import RateLimited, UnknownEmployee, UnknownSession
from shared.http.endpoints import Endpoint, json_reply
from shared.tokens import Claims

OWN_SESSIONS = web.AppKey("own_sessions", OwnSessions)


async def log_out(request: web.Request, caller: Claims) -> web.Response:
    await request.app[OWN_SESSIONS].log_out(caller)
    return web.Response(status=204)


async def log_out_everywhere(request: web.Request, caller: Claims) -> web.Response:
    await request.app[OWN_SESSIONS].log_out_everywhere(caller)
    return web.Response(status=204)


async def sessions(request: web.Request, caller: Claims) -> web.Response:
    return json_reply(await request.app[OWN_SESSIONS].list(caller))


async def end_session(request: web.Request, caller: Claims) -> web.Response:
    await request.app[OWN_SESSIONS].end(caller, request.match_info["id"])
    return web.Response(status=204)


REVOKES = "Its access tokens are refused from then on, and its WebSockets are closed (4502)."

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/logout",
        handler=log_out,
        summary="End the session of this access token",
        description=REVOKES,
        replies={204: None},
        errors=(RateLimited, UnknownEmployee),
    ),
    Endpoint(
        method="POST",
        path="/logout/all",
        handler=log_out_everywhere,
        summary="End all sessions of the caller, this one included",
        replies={204: None},
        errors=(RateLimited, UnknownEmployee),
    ),
    Endpoint(
        method="GET",
        path="/sessions",
        handler=sessions,
        summary="Where the caller is logged in",
        replies={200: SessionList},
        errors=(RateLimited, UnknownEmployee),
    ),
    Endpoint(
        method="DELETE",
        path="/sessions/{id}",
        handler=end_session,
        summary="End one session of the caller",
        description=REVOKES,
        replies={204: None},
        errors=(RateLimited, UnknownEmployee, UnknownSession),
    ),
)
