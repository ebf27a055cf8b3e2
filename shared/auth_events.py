"""What the auth service tells the others: sessions that were revoked, employees who are gone.

Both sides import this. Events go through the topic exchange `auth.events`, under the routing key of
their kind, as JSON; `GET /.well-known/revoked-sessions` has the same for those who could not hear.
A receiver may be told twice, and ignores fields that it does not know.
"""

from datetime import UTC
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from shared.emails import MAX_EMAIL
from shared.times import Time

Id = Annotated[str, Meta(max_length=64)]
Event = TypeVar("Event")

EXCHANGE = "auth.events"
SESSION_REVOKED = "session.revoked"
EMPLOYEE_DELETED = "employee.deleted"

REVOKED_SESSIONS = "/.well-known/revoked-sessions"
MOST_REVOKED = 10_000
"""Sessions of one reply, and those of the last one's time: it asks for what is later. All that were
revoked at the time which was asked for come on top."""


class RevokedSession(Struct, frozen=True):
    """No token of the session `sid` is valid from `revoked_at` on; none is left after `until`."""

    sid: Id
    revoked_at: Time
    until: Time


class RevokedSessions(Struct, frozen=True):
    """In the order of their revocation."""

    sessions: tuple[RevokedSession, ...]


class DeletedEmployee(Struct, frozen=True):
    """Nobody has this address any more; nothing that was written before `deleted_at` can come from
    anybody else."""

    employee: Id
    email: Annotated[str, Meta(max_length=MAX_EMAIL)]
    deleted_at: Time


encode = msgspec.json.Encoder().encode
revoked_sessions = msgspec.json.Decoder(RevokedSessions).decode
_revoked_session = msgspec.json.Decoder(RevokedSession)
_deleted_employee = msgspec.json.Decoder(DeletedEmployee)


def revoked_session(body: bytes) -> RevokedSession:
    """Raises `ValueError` where `body` is none."""
    return _event(_revoked_session, body)


def deleted_employee(body: bytes) -> DeletedEmployee:
    """Raises `ValueError` where `body` is none."""
    event = _event(_deleted_employee, body)
    try:
        in_utc = event.deleted_at.astimezone(UTC)
    except OverflowError:
        raise ValueError("deleted_at is out of the years 1 to 9999 in UTC") from None
    return msgspec.structs.replace(event, deleted_at=in_utc)


def _event(decoder: msgspec.json.Decoder[Event], body: bytes) -> Event:
    try:
        return decoder.decode(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
