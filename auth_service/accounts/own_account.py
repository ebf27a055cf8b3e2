"""What employees do with their own account: change its password or profile, delete it.

One write to the employee's document decides, and notes what has to follow. That is done at once;
after a crash in between, whichever replica looks next finishes it.
"""

from typing import Any

from msgspec import UNSET

from auth_service.accounts.profiles import required_text, text, view
from auth_service.accounts.services import Services
from auth_service.employees import Employee, search_terms
from auth_service.passwords import require_acceptable, require_checkable
from auth_service.schemas import ChangePassword, ChangeProfile, EmployeeView
from auth_service.sessions import Reason
from shared.auth_events import DeletedEmployee
from shared.errors import InvalidCredentials
from shared.tasks import every
from shared.tokens import Claims

LOOK_SECONDS = 5.0
"""How often the replicas look for what a crash has left unfinished."""


class OwnAccount:
    """`caller` has the claims of an access token of an open session.

    Every method raises `UnknownEmployee` if the caller's account is gone, and `Unavailable` while
    the database cannot be reached.
    """

    def __init__(self, services: Services) -> None:
        self._employees = services.employees
        self._sessions = services.sessions
        self._deletions = services.deletions
        self._passwords = services.passwords
        self._throttle = services.throttle
        self._announcer = services.announcer
        self._audit = services.audit

    async def change_password(self, caller: Claims, change: ChangePassword, address: str) -> None:
        """Change the password, and end all sessions but the caller's.

        Raises `InvalidCredentials` if the current password is wrong, `RateLimited` after too many
        of those, and `InvalidInput` if the new one is not acceptable.
        """
        require_checkable(change.current_password, "$.current_password")
        employee = await self._employees.get_by_id(caller.sub)
        require_acceptable(change.new_password, employee.email, "$.new_password")
        await self._require_password(employee, change.current_password, caller, address)
        hashed = await self._passwords.hash(change.new_password)
        if not await self._employees.change_password(employee, hashed, caller.sid):
            raise InvalidCredentials("The password was changed elsewhere in the meantime.")
        self._audit.password_changed(employee.id, caller.sid)
        await self._end_sessions(employee.key, caller.sid)

    async def change_profile(self, caller: Claims, change: ChangeProfile) -> EmployeeView:
        """Raises `InvalidInput`. Access tokens show a new name from the next refresh on."""
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
        """End all sessions, delete the account, and announce it to other services.

        Raises `InvalidCredentials` if the password is wrong, and `RateLimited` after too many of
        those. If it fails half-way it is finished soon, and may be called again.
        """
        require_checkable(password)
        employee = await self._employees.get_by_id(caller.sub, leaving=True)
        await self._require_password(employee, password, caller, address)
        await self._employees.leave(employee)
        self._audit.leaving(employee.id, caller.sid)
        await self._delete_leaving()

    async def run(self) -> None:
        """Finish what crashes have left unfinished, until cancelled."""
        await every(LOOK_SECONDS, self._finish)

    async def _finish(self) -> None:
        for key, keep in await self._employees.with_sessions_to_end():
            await self._end_sessions(key, keep)
        await self._delete_leaving()

    async def _delete_leaving(self) -> None:
        """Every step may have been done before. The document is removed last: it is the note from
        which a deletion is finished."""
        for employee, when in await self._employees.leaving():
            await self._sessions.revoke_all(employee.key, Reason.DELETION)
            await self._deletions.add(DeletedEmployee(employee.id, employee.email, when))
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
        async with self._throttle.password(employee.email, address) as attempt:
            attempt.right = await self._passwords.verify(password, employee.password)
        if not attempt.right:
            self._audit.password_refused(employee.id, caller.sid)
            raise InvalidCredentials("The current password is wrong.")
