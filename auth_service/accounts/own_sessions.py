"""What employees do with their own sessions: list them and end them."""

from auth_service.accounts.services import Services
from auth_service.schemas import SessionList, SessionView
from auth_service.sessions import Reason
from shared.errors import UnknownSession
from shared.tokens import Claims


class OwnSessions:
    """`caller` has the claims of an access token of an open session.

    Every method raises `Unavailable` while the database cannot be reached.
    """

    def __init__(self, services: Services) -> None:
        self._employees = services.employees
        self._sessions = services.sessions
        self._announcer = services.announcer
        self._audit = services.audit

    async def list(self, caller: Claims) -> SessionList:
        employee = await self._employees.get_by_id(caller.sub)
        return SessionList(
            tuple(
                SessionView(
                    id=session.sid,
                    user_agent=session.device.user_agent,
                    address=session.device.address,
                    created_at=session.created_at,
                    last_used_at=session.last_used_at,
                    expires_at=session.expires_at,
                    current=session.sid == caller.sid,
                )
                for session in await self._sessions.of(employee.key)
            )
        )

    async def log_out(self, caller: Claims) -> None:
        try:
            await self._end(caller, caller.sid, Reason.LOGOUT)
        except UnknownSession:
            return  # it was ended elsewhere a moment ago

    async def log_out_everywhere(self, caller: Claims) -> None:
        employee = await self._employees.get_by_id(caller.sub)
        await self._sessions.revoke_all(employee.key, Reason.LOGOUT_ALL)
        self._announcer.wake()
        self._audit.revoked(employee.id, caller.sid, Reason.LOGOUT_ALL.value, "all")

    async def end(self, caller: Claims, sid: str) -> None:
        """Raises `UnknownSession`, also for a session of somebody else."""
        await self._end(caller, sid, Reason.LOGOUT if sid == caller.sid else Reason.ENDED)

    async def _end(self, caller: Claims, sid: str, reason: Reason) -> None:
        employee = await self._employees.get_by_id(caller.sub)
        await self._sessions.revoke(employee.key, sid, reason)
        self._announcer.wake()
        self._audit.revoked(employee.id, caller.sid, reason.value, sid)
