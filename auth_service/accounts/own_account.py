"""What employees do with their own account: change its password, what it says of them, delete it.

Each is decided by one write to the employee's document, which also notes what has to follow. That
is done at once; where a crash came between, whichever replica looks next does it.
"""

import asyncio
from typing import Any

from msgspec import UNSET

from auth_service.accounts.audit import Audit
from auth_service.accounts.profiles import required_text, text, view
from auth_service.accounts.throttling import Throttle
from auth_service.employees import Employee, Employees, search_terms
from auth_service.outbox import Announcer, Deletions
from auth_service.passwords import Passwords, require_acceptable, require_checkable
from auth_service.schemas import ChangePassword, ChangeProfile, EmployeeView
from auth_service.sessions import Reason, Sessions
from shared.auth_events import DeletedEmployee
from shared.errors import InvalidCredentials, ServiceError
from shared.observability.logs import get_logger
from shared.tokens import Claims

log = get_logger("own_account")

LOOK_SECONDS = 5.0
"""How long what a crash left behind may wait."""


class OwnAccount:
    """`caller` is who asks, by an access token of an open session.

    Every method raises `UnknownEmployee` where they are gone, and `Unavailable` while the database
    cannot be reached.
    """

    def __init__(
        self,
        *,
        employees: Employees,
        sessions: Sessions,
        departures: Deletions,
        passwords: Passwords,
        throttle: Throttle,
        announcer: Announcer,
        audit: Audit,
    ) -> None:
        self._employees = employees
        self._sessions = sessions
        self._departures = departures
        self._passwords = passwords
        self._throttle = throttle
        self._announcer = announcer
        self._audit = audit

    async def change_password(self, caller: Claims, change: ChangePassword, address: str) -> None:
        """All sessions but the caller's end. Raises `InvalidCredentials` where the present password
        is another, `RateLimited` after too many of them, and `InvalidInput` where the new one
        cannot be used."""
        require_checkable(change.current_password, "$.current_password")
        employee = await self._employees.get_by_id(caller.sub)
        require_acceptable(change.new_password, employee.email, "$.new_password")
        await self._require_password(employee, change.current_password, caller, address)
        hashed = await self._passwords.hash(change.new_password)
        if not await self._employees.change_password(employee, hashed, caller.sid):
            raise InvalidCredentials("The password was changed by somebody else meanwhile.")
        self._audit.password_changed(employee.id, caller.sid)
        await self._end_sessions(employee.key, caller.sid)

    async def change_profile(self, caller: Claims, change: ChangeProfile) -> EmployeeView:
        """Raises `InvalidInput`. Tokens have the new name from the next refresh on."""
        changes: dict[str, object] = {}
        if change.name is not UNSET:
            name = required_text(change.name, "$.name")
            changes |= {"name": name, "search": search_terms(name, caller.email)}
        if change.department is not UNSET:
            changes["department"] = text(change.department, "$.department")
        if change.role is not UNSET:
            changes["role"] = text(change.role, "$.role")
        employee = await self._employees.update(caller.sub, changes)
        self._audit.profile_changed(employee.id, caller.sid)
        return view(employee)

    async def delete(self, caller: Claims, password: str, address: str) -> None:
        """Their sessions end, they are gone, and the others are told. Raises `InvalidCredentials`
        where the password is another, and `RateLimited` after too many of them.

        Where this fails half-way it is finished soon, and may be asked for again.
        """
        require_checkable(password)
        employee = await self._employees.get_by_id(caller.sub, leaving=True)
        await self._require_password(employee, password, caller, address)
        await self._employees.leave(employee)
        self._audit.leaving(employee.id, caller.sid)
        await self._see_off()

    async def run(self) -> None:
        """Finish what crashes have left behind, until cancelled."""
        while True:
            try:
                for key, keep in await self._employees.with_sessions_to_end():
                    await self._end_sessions(key, keep)
                await self._see_off()
            except ServiceError as error:
                log.debug("the database cannot say what is unfinished", reason=error.detail)
            await asyncio.sleep(LOOK_SECONDS)

    async def _see_off(self) -> None:
        """Delete those who leave. Each step may have been done before; the document goes last, as
        it is what tells of the others."""
        for employee, when in await self._employees.who_leave():
            await self._sessions.revoke_all(employee.key, Reason.DELETION)
            await self._departures.add(DeletedEmployee(employee.id, employee.email, when))
            await self._employees.remove(employee.key)
            self._announcer.wake()
            self._audit.deleted(employee.id)

    async def _end_sessions(self, key: Any, keep: str) -> None:
        ended = await self._sessions.revoke_all(key, Reason.PASSWORD, keep=keep)
        self._announcer.wake()
        await self._employees.sessions_ended(key, keep)
        self._audit.revoked(str(key), keep, Reason.PASSWORD.value, f"{ended} others")

    async def _require_password(
        self, employee: Employee, password: str, caller: Claims, address: str
    ) -> None:
        attempt = await self._throttle.password(employee.email, address)
        try:
            right = await self._passwords.verify(password, employee.password)
        except ServiceError:
            await self._throttle.unchecked(attempt)
            raise
        if not right:
            self._audit.password_refused(employee.id, caller.sid)
            raise InvalidCredentials("The present password is another.")
        await self._throttle.right(attempt)
