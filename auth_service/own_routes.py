"""The HTTP endpoints of one's own account."""

from aiohttp import web

from auth_service.own_account import OwnAccount
from auth_service.protocol import ChangePassword
from shared.addresses import client_address
from shared.endpoints import Endpoint
from shared.errors import InvalidCredentials, RateLimited, UnknownEmployee
from shared.tokens import Claims

OWN_ACCOUNT = web.AppKey("own_account", OwnAccount)


async def change_password(
    request: web.Request, caller: Claims, body: ChangePassword
) -> web.Response:
    await request.app[OWN_ACCOUNT].change_password(caller, body, client_address(request))
    return web.Response(status=204)


ENDPOINTS = (
    Endpoint(
        method="PUT",
        path="/employees/me/password",
        handler=change_password,
        summary="Change one's password; all other sessions end",
        body=ChangePassword,
        replies={204: None},
        errors=(InvalidCredentials, RateLimited, UnknownEmployee),
    ),
)
