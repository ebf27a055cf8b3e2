"""The HTTP endpoints of the auth service. They must never know MongoDB.

`ENDPOINTS` are served by the app, which puts what they call into it under the keys named here.
"""

from auth_service.api import accounts, directory, own_account, sessions
from auth_service.api.accounts import ACCOUNTS, KEYS, SESSIONS
from auth_service.api.directory import DIRECTORY, EMPLOYEES
from auth_service.api.own_account import OWN_ACCOUNT
from auth_service.api.sessions import OWN_SESSIONS

__all__ = [
    "ACCOUNTS",
    "DIRECTORY",
    "EMPLOYEES",
    "ENDPOINTS",
    "KEYS",
    "OWN_ACCOUNT",
    "OWN_SESSIONS",
    "SESSIONS",
]

ENDPOINTS = (
    *accounts.ENDPOINTS,
    *own_account.ENDPOINTS,
    *directory.ENDPOINTS,
    *sessions.ENDPOINTS,
)
