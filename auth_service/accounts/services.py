"""What the use cases of accounts are built on."""

from msgspec import Struct

from auth_service.accounts.audit import Audit
from auth_service.accounts.throttling import Throttle
from auth_service.employees import Employees
from auth_service.outbox import Announcer, Deletions
from auth_service.passwords import Passwords
from auth_service.sessions import Sessions


class Services(Struct, frozen=True):
    employees: Employees
    sessions: Sessions
    deletions: Deletions
    passwords: Passwords
    throttle: Throttle
    announcer: Announcer
    audit: Audit
