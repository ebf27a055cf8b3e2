"""Endpoints of the caller's own account."""

from aiohttp import web

from auth_service.accounts import OwnAccount, view
from auth_service.api.directory import EMPLOYEES
from auth_service.schemas import ChangePassword, ChangeProfile, DeleteAccount, EmployeeView
from shared.errors import (
    FieldProblem,
    InvalidCredentials,
    InvalidInput,
    UnknownEmployee,
)
from shared.http.addresses import client_address
from shared.http.endpoints import Endpoint, json_reply
from shared.tokens import Claims

OWN_ACCOUNT = web.AppKey("own_account", OwnAccount)


async def change_password(
    request: web.Request, caller: Claims, body: ChangePassword
) -> web.Response:
    await request.app[OWN_ACCOUNT].change_password(caller, body, client_address(request))
    return web.Response(status=204)


async def own_profile(request: web.Request, caller: Claims) -> web.Response:
    return json_reply(view(await request.app[EMPLOYEES].get_by_id(caller.sub)))


async def change_profile(request: web.Request, caller: Claims, body: ChangeProfile) -> web.Response:
    if body == ChangeProfile():
        raise InvalidInput(
            "There is nothing to change.",
            problems=(FieldProblem("$", "expected `name`, `department` or `role`"),),
        )
    return json_reply(await request.app[OWN_ACCOUNT].change_profile(caller, body))


async def delete_account(request: web.Request, caller: Claims, body: DeleteAccount) -> web.Response:
    await request.app[OWN_ACCOUNT].delete(caller, body.password, client_address(request))
    return web.Response(status=204)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/employees/me",
        handler=own_profile,
        summary="The caller's own entry in the directory",
        replies={200: EmployeeView},
        errors=(UnknownEmployee,),
    ),
    Endpoint(
        method="PATCH",
        path="/employees/me",
        handler=change_profile,
        summary="Change one's name, department or role",
        description=(
            "A missing field stays as it is, null clears it. Access tokens show a new name after"
            " the next refresh."
        ),
        body=ChangeProfile,
        replies={200: EmployeeView},
        errors=(UnknownEmployee,),
    ),
    Endpoint(
        method="PUT",
        path="/employees/me/password",
        handler=change_password,
        summary="Change one's password, and end all other sessions",
        body=ChangePassword,
        replies={204: None},
        errors=(InvalidCredentials, UnknownEmployee),
    ),
    Endpoint(
        method="DELETE",
        path="/employees/me",
        handler=delete_account,
        summary="Delete one's account",
        description=(
            "All sessions end. The address cannot be used for another account, because others have"
            " conversations with it. Whether the chat service keeps or erases the messages is a"
            " setting."
        ),
        body=DeleteAccount,
        replies={204: None},
        errors=(InvalidCredentials, UnknownEmployee),
    ),
)
