"""What the auth service announces to other services: revoked sessions, deleted employees.

Both sides import this. Events are JSON on the topic exchange `auth.events`, with their kind as the
routing key. Receivers that may have missed some read `GET /.well-known/revoked-sessions`. An event
may arrive twice; receivers ignore fields that they do not know.
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
"""Later sessions in one reply, plus ties of the last one; those revoked at `since` come on top."""


class RevokedSession(Struct, frozen=True):
    """No token of the session `sid` is valid from `revoked_at` on; all have expired at `until`."""

    sid: Id
    revoked_at: Time
    until: Time


class RevokedSessions(Struct, frozen=True):
    """Oldest revocation first."""

    sessions: tuple[RevokedSession, ...]


class DeletedEmployee(Struct, frozen=True):
    """The account with this address was deleted. The address is never given out again."""

    employee: Id
    email: Annotated[str, Meta(max_length=MAX_EMAIL)]
    deleted_at: Time


encode = msgspec.json.Encoder().encode
revoked_sessions = msgspec.json.Decoder(RevokedSessions).decode
_revoked_session = msgspec.json.Decoder(RevokedSession)
_deleted_employee = msgspec.json.Decoder(DeletedEmployee)


def revoked_session(body: bytes) -> RevokedSession:
    """Raises `ValueError` if `body` is not such an event."""
    return _event(_revoked_session, body)


def deleted_employee(body: bytes) -> DeletedEmployee:
    """Raises `ValueError` if `body` is not such an event."""
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
