"""Use cases without HTTP: sign up, log in, manage one's own account and sessions. Owns the
collection `throttles`.

`Accounts`, `OwnAccount` and `OwnSessions` are the use cases, built on `Services`: `Throttle` slows
guessing down, `Audit` logs who did what.
"""

from auth_service.accounts.accounts import Accounts, Admission
from auth_service.accounts.audit import Audit
from auth_service.accounts.own_account import OwnAccount
from auth_service.accounts.own_sessions import OwnSessions
from auth_service.accounts.profiles import view
from auth_service.accounts.services import Services
from auth_service.accounts.throttle_store import Throttles
from auth_service.accounts.throttling import Throttle

__all__ = [
    "Accounts",
    "Admission",
    "Audit",
    "OwnAccount",
    "OwnSessions",
    "Services",
    "Throttle",
    "Throttles",
    "view",
]
