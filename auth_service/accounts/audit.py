"""The audit log: who did what to an account, from where, and how it ended. Never a secret.

An entry is a line of the logger `audit`, written at every LOG_LEVEL. It has the id of its request,
the client's address, and the ids of the employee and the session. It never has an email address
that somebody typed, because people type passwords into that field.
"""

import logging

from shared.observability.logs import get_logger

log = get_logger("audit")


class Audit:
    """Writes entries; each method is one kind."""

    def __init__(self) -> None:
        logging.getLogger("audit").setLevel(logging.INFO)

    def signed_up(self, employee: str) -> None:
        log.info("signed up", employee=employee)

    def logged_in(self, employee: str, session: str) -> None:
        log.info("logged in", employee=employee, session=session)

    def login_refused(self, outcome: str, employee: str | None) -> None:
        log.warning("login refused", outcome=outcome, employee=employee)

    def refreshed(self, employee: str, session: str) -> None:
        log.info("refreshed", employee=employee, session=session)

    def reused(self, employee: str, session: str) -> None:
        log.warning("a used refresh token: session revoked", employee=employee, session=session)

    def revoked(self, employee: str, by: str, reason: str, sessions: str) -> None:
        """`sessions` is an id or a description; `by` is the session that asked."""
        log.info("revoked", employee=employee, session=by, reason=reason, sessions=sessions)

    def password_changed(self, employee: str, by: str) -> None:
        log.info("password changed", employee=employee, session=by)

    def password_refused(self, employee: str, by: str) -> None:
        """Somebody who is logged in gave a wrong password."""
        log.warning("password refused", employee=employee, session=by)

    def profile_changed(self, employee: str, by: str) -> None:
        log.info("profile changed", employee=employee, session=by)

    def leaving(self, employee: str, by: str) -> None:
        log.info("account deletion begun", employee=employee, session=by)

    def deleted(self, employee: str) -> None:
        log.info("account deleted", employee=employee)
