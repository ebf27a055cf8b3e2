"""Asks the auth service whether an employee exists, with the caller's token."""

from urllib.parse import quote

import aiohttp

from shared.errors import Unauthorized, Unavailable, UnknownEmployee


class EmployeeLookup:
    """The auth service's employees, over HTTP."""

    def __init__(self, http: aiohttp.ClientSession, auth_url: str) -> None:
        self._http = http
        self._employees = f"{auth_url}/employees"

    async def must_exist(self, email: str, token: str) -> None:
        """Raises `UnknownEmployee`, `Unauthorized` if the token is refused, or `Unavailable` if
        there is no answer within 5 seconds or it is an unexpected one."""
        try:
            async with self._http.get(
                f"{self._employees}/{quote(email, safe='')}",
                headers={"Authorization": f"Bearer {token}"},
                timeout=aiohttp.ClientTimeout(total=5),
            ) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(
                "Cannot reach the auth service to look up this employee.", retry_after=1.0
            ) from error
        if status in (404, 422):
            raise UnknownEmployee(f"No employee has the address {email}.")
        if status == 401:
            raise Unauthorized("The auth service refuses the access token.")
        if status != 200:
            raise Unavailable(
                "The auth service failed to look up this employee; try again.", retry_after=1.0
            )
