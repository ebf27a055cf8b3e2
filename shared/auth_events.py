"""What the auth service tells the others: sessions that were revoked, employees who are gone.

Both sides import this. Events go through the topic exchange `auth.events`, under the routing key of
their kind, as JSON; `GET /.well-known/revoked-sessions` has the same for those who could not hear.
A receiver may be told twice, and ignores fields that it does not know.
"""

import msgspec
from msgspec import Struct

from shared.times import Time

EXCHANGE = "auth.events"
SESSION_REVOKED = "session.revoked"
EMPLOYEE_DELETED = "employee.deleted"

REVOKED_SESSIONS = "/.well-known/revoked-sessions"
MOST_REVOKED = 10_000
"""Sessions in one reply; where there are as many, the last one's time asks for the next."""


class RevokedSession(Struct, frozen=True):
    """No token of the session `sid` is valid from `revoked_at` on; none is left after `until`."""

    sid: str
    revoked_at: Time
    until: Time


class RevokedSessions(Struct, frozen=True):
    """In the order of their revocation."""

    sessions: tuple[RevokedSession, ...]


class DeletedEmployee(Struct, frozen=True):
    """Nobody has this address any more; nothing that was written before `deleted_at` can come from
    anybody else."""

    employee: str
    email: str
    deleted_at: Time


encode = msgspec.json.Encoder().encode
revoked_session = msgspec.json.Decoder(RevokedSession).decode
revoked_sessions = msgspec.json.Decoder(RevokedSessions).decode
deleted_employee = msgspec.json.Decoder(DeletedEmployee).decode
