"""Endpoints of the directory of employees."""

from aiohttp import web

from auth_service.accounts import view
from auth_service.employees import Directory, Employees
from auth_service.schemas import DirectoryQuery, EmployeePage, EmployeeView
from shared.emails import normalise
from shared.errors import InvalidInput, UnknownEmployee
from shared.http.endpoints import Endpoint, json_reply
from shared.tokens import Claims

EMPLOYEES = web.AppKey("employees", Employees)
DIRECTORY = web.AppKey("directory", Directory)


async def search(request: web.Request, caller: Claims, query: DirectoryQuery) -> web.Response:
    page = await request.app[DIRECTORY].search(
        query.query, query.department, query.cursor, query.limit
    )
    return json_reply(EmployeePage(tuple(view(one) for one in page.employees), page.next))


async def profile(request: web.Request, caller: Claims) -> web.Response:
    email = normalise(request.match_info["email"], "$.email")
    return json_reply(view(await request.app[EMPLOYEES].get(email)))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/employees",
        handler=search,
        summary="The directory: everybody, or those whose name or address begins with `query`",
        query=DirectoryQuery,
        replies={200: EmployeePage},
    ),
    Endpoint(
        method="GET",
        path="/employees/{email}",
        handler=profile,
        summary="An employee by email address",
        replies={200: EmployeeView},
        errors=(InvalidInput, UnknownEmployee),
    ),
)
