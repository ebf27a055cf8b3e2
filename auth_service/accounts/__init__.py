"""Use cases of accounts, without HTTP: sign up, log in, one's own account and sessions. Owns the
collection `throttles`.

`Accounts`, `OwnAccount` and `OwnSessions` are the use cases; `Throttle` bounds guessing; `Audit`
writes down who did what.
"""

from auth_service.accounts.accounts import Accounts, Admission
from auth_service.accounts.audit import Audit
from auth_service.accounts.own_account import OwnAccount
from auth_service.accounts.own_sessions import OwnSessions
from auth_service.accounts.profiles import view
from auth_service.accounts.throttle_store import Throttles
from auth_service.accounts.throttling import Throttle

__all__ = [
    "Accounts",
    "Admission",
    "Audit",
    "OwnAccount",
    "OwnSessions",
    "Throttle",
    "Throttles",
    "view",
]
