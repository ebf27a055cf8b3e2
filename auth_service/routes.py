"""The HTTP endpoints: take, call inward, answer. What they raise becomes a problem elsewhere."""

from aiohttp import web

from auth_service.accounts import Accounts, view
from auth_service.employees import Employees
from auth_service.keys import KeyRing
from auth_service.protocol import EmployeeView, Grant, LogIn, Refresh, SignUp
from auth_service.sessions import Device
from shared.emails import normalise
from shared.endpoints import Endpoint, json_reply
from shared.errors import EmailTaken, InvalidCredentials, InvalidInput, UnknownEmployee
from shared.jwks import Jwks
from shared.tokens import Claims

ACCOUNTS = web.AppKey("accounts", Accounts)
EMPLOYEES = web.AppKey("employees", Employees)
KEYS = web.AppKey("keys", KeyRing)

NO_STORE = {"Cache-Control": "no-store"}


async def sign_up(request: web.Request, body: SignUp) -> web.Response:
    return json_reply(await request.app[ACCOUNTS].sign_up(body), status=201)


async def log_in(request: web.Request, body: LogIn) -> web.Response:
    return json_reply(await request.app[ACCOUNTS].log_in(body, _device(request)))


async def refresh(request: web.Request, body: Refresh) -> web.Response:
    return json_reply(await request.app[ACCOUNTS].refresh(body.refresh_token))


async def own_profile(request: web.Request, caller: Claims) -> web.Response:
    return json_reply(view(await request.app[EMPLOYEES].get_by_id(caller.sub)))


async def profile(request: web.Request, caller: Claims) -> web.Response:
    email = normalise(request.match_info["email"], "$.email")
    return json_reply(view(await request.app[EMPLOYEES].get(email)))


async def jwks(request: web.Request) -> web.Response:
    return json_reply(request.app[KEYS].jwks)


def _device(request: web.Request) -> Device:
    return Device(request.headers.get("User-Agent", ""), request.remote or "")


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/employees",
        handler=sign_up,
        summary="Sign up",
        body=SignUp,
        replies={201: EmployeeView},
        errors=(EmailTaken,),
        public=True,
    ),
    Endpoint(
        method="POST",
        path="/login",
        handler=log_in,
        summary="Log in: an access token, and a refresh token to get the next one with",
        body=LogIn,
        replies={200: Grant},
        errors=(InvalidCredentials,),
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
        errors=(InvalidCredentials,),
        headers=NO_STORE,
        public=True,
    ),
    Endpoint(
        method="GET",
        path="/employees/me",
        handler=own_profile,
        summary="The caller's own entry in the directory",
        replies={200: EmployeeView},
        errors=(UnknownEmployee,),
    ),
    Endpoint(
        method="GET",
        path="/employees/{email}",
        handler=profile,
        summary="One employee, by email",
        replies={200: EmployeeView},
        errors=(InvalidInput, UnknownEmployee),
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
)
