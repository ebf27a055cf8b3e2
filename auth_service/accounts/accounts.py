"""Signing up, logging in and staying logged in, without HTTP and storage."""

from contextlib import suppress

from msgspec import Struct
from prometheus_client import CollectorRegistry

from auth_service.accounts.profiles import required_text, text, view
from auth_service.accounts.services import Services
from auth_service.employees import Employee, email_taken, search_terms
from auth_service.passwords import require_acceptable, require_checkable
from auth_service.schemas import EmployeeView, Grant, LogIn, SignUp
from auth_service.sessions import Device, Reason, RefreshToken, Reused, Session
from auth_service.tokens import TokenIssuer
from shared.emails import normalise
from shared.errors import (
    InvalidCredentials,
    SignUpClosed,
    Unavailable,
    UnknownEmployee,
    UnknownSession,
)
from shared.observability.logs import get_logger
from shared.observability.metrics import outcomes

log = get_logger("accounts")

LOGINS = ("success", "unknown_email", "wrong_password")
REFRESHES = ("success", "refused", "reused")


class Admission(Struct, frozen=True):
    """Who may sign up; without `domains`, every address."""

    open: bool
    domains: tuple[str, ...]


class Accounts:
    """Every method raises `Unavailable` while the database cannot be reached, and `InvalidInput`
    with the path of a field that it does not accept. Nothing is stored when one raises."""

    def __init__(
        self,
        services: Services,
        tokens: TokenIssuer,
        admission: Admission,
        registry: CollectorRegistry,
    ) -> None:
        self._employees = services.employees
        self._sessions = services.sessions
        self._deletions = services.deletions
        self._passwords = services.passwords
        self._throttle = services.throttle
        self._announcer = services.announcer
        self._audit = services.audit
        self._tokens = tokens
        self._admission = admission
        self._logins = outcomes(
            registry, "auth_logins_total", "Logins by outcome", "outcome", LOGINS
        )
        self._refreshes = outcomes(
            registry, "auth_refreshes_total", "Refreshes by outcome", "outcome", REFRESHES
        )

    async def sign_up(self, new: SignUp, address: str) -> EmployeeView:
        """Raises `EmailTaken`, also if a concurrent sign-up with this address is first,
        `SignUpClosed` or `RateLimited`."""
        name = required_text(new.name, "$.name")
        email = normalise(new.email)
        self._require_admitted(email)
        department = text(new.department, "$.department")
        role = text(new.role, "$.role")
        require_acceptable(new.password, email)
        await self._throttle.sign_up(address)
        if await self._employees.exists(email) or await self._deletions.had(email):
            raise email_taken()
        employee = await self._employees.add(
            name=name,
            email=email,
            department=department,
            role=role,
            search=search_terms(name, email),
            password=await self._passwords.hash(new.password),
        )
        # If the address was freed since the check above, by an account that was deleted, the
        # deletion is found now: it is stored before the document is removed.
        if await self._deletions.had(email):
            await self._employees.remove(employee.key)
            raise email_taken()
        self._audit.signed_up(employee.id)
        return view(employee)

    def _require_admitted(self, email: str) -> None:
        if not self._admission.open:
            raise SignUpClosed("Only an administrator creates accounts here.")
        domains = self._admission.domains
        if domains and email.partition("@")[2] not in domains:
            raise SignUpClosed(f"Only addresses at {', '.join(domains)} can sign up.")

    async def log_in(self, credentials: LogIn, device: Device) -> Grant:
        """Raises `InvalidCredentials` for an unknown address or a wrong password, with the same
        words and after the same time, and `RateLimited` after too many of either. A hash of a lower
        cost than today's is renewed."""
        email = normalise(credentials.email)
        require_checkable(credentials.password)
        async with self._throttle.password(email, device.address) as attempt:
            employee = await self._employees.find(email)
            hashed = None if employee is None else employee.password
            attempt.right = await self._passwords.verify(credentials.password, hashed)
        if employee is None or not attempt.right:
            outcome = "unknown_email" if employee is None else "wrong_password"
            self._logins.labels(outcome).inc()
            self._audit.login_refused(outcome, None if employee is None else employee.id)
            raise _wrong()
        session = await self._sessions.open(employee.key, device)
        await self._require_unchanged(employee, session, credentials.password)
        await self._end_surplus(employee, session)
        if self._passwords.outdated(employee.password):
            await self._renew(employee, credentials.password)
        self._logins.labels("success").inc()
        self._audit.logged_in(employee.id, session.sid)
        return self._grant(employee, session)

    async def refresh(self, refresh_token: str, address: str) -> Grant:
        """Raises `InvalidCredentials` if the token is unknown or its session has ended, and
        `RateLimited`."""
        try:
            await self._throttle.refresh(RefreshToken.parse(refresh_token).sid, address)
            session = await self._sessions.refresh(refresh_token)
            employee = await self._employees.get_by_id(str(session.employee))
        except Reused as reuse:
            self._announcer.wake()
            self._refreshes.labels("reused").inc()
            self._audit.reused(str(reuse.employee), reuse.session)
            raise
        except InvalidCredentials:
            await self._refused(address)
            raise
        except UnknownEmployee:
            await self._refused(address)
            raise InvalidCredentials("The session has ended: log in again.") from None
        self._refreshes.labels("success").inc()
        self._audit.refreshed(employee.id, session.sid)
        return self._grant(employee, session)

    async def _refused(self, address: str) -> None:
        self._refreshes.labels("refused").inc()
        await self._throttle.refresh_failed(address)

    async def _require_unchanged(self, employee: Employee, session: Session, password: str) -> None:
        """A change of the password, or a deletion of the account, that happened while this login
        checked the password did not end this session, which was not there yet. So end it here."""
        now = await self._employees.find(employee.email)
        if now is not None and now.password == employee.password:
            return
        if now is None or not await self._passwords.verify(password, now.password):
            with suppress(UnknownSession):
                await self._sessions.revoke(employee.key, session.sid, Reason.PASSWORD)
            raise _wrong()

    async def _end_surplus(self, employee: Employee, session: Session) -> None:
        ended = await self._sessions.revoke_surplus(session)
        if ended:
            self._announcer.wake()
            self._audit.revoked(
                employee.id, session.sid, Reason.SURPLUS.value, f"{ended} least recently used"
            )

    async def _renew(self, employee: Employee, password: str) -> None:
        """A failure does not fail the login: the next one tries again."""
        try:
            await self._employees.renew_password(employee, await self._passwords.hash(password))
        except Unavailable as error:
            log.warning("could not renew a password hash", reason=error.detail)
        else:
            log.info("renewed a password hash of a lower cost", employee=employee.id)

    def _grant(self, employee: Employee, session: Session) -> Grant:
        return Grant(
            access_token=self._tokens.issue(
                employee=employee.id, email=employee.email, name=employee.name, session=session.sid
            ),
            expires_in=self._tokens.lifetime,
            refresh_token=session.refresh_token,
            employee=view(employee),
        )


def _wrong() -> InvalidCredentials:
    return InvalidCredentials("The email or the password is wrong.")
