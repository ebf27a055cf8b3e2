"""Endpoints of the caller's sessions: log out, list them, end one elsewhere."""

from aiohttp import web

from auth_service.accounts import OwnSessions
from auth_service.schemas import SessionList
from shared.errors import UnknownEmployee, UnknownSession
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


REVOKES = "Its access tokens are refused from now on, and its WebSockets are closed (4502)."

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/logout",
        handler=log_out,
        summary="End the session of this access token",
        description=REVOKES,
        replies={204: None},
        errors=(UnknownEmployee,),
    ),
    Endpoint(
        method="POST",
        path="/logout/all",
        handler=log_out_everywhere,
        summary="End all sessions of the caller, including this one",
        replies={204: None},
        errors=(UnknownEmployee,),
    ),
    Endpoint(
        method="GET",
        path="/sessions",
        handler=sessions,
        summary="The caller's open sessions",
        replies={200: SessionList},
        errors=(UnknownEmployee,),
    ),
    Endpoint(
        method="DELETE",
        path="/sessions/{id}",
        handler=end_session,
        summary="End one session of the caller",
        description=REVOKES,
        replies={204: None},
        errors=(UnknownEmployee, UnknownSession),
    ),
)
