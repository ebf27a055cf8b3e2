"""The HTTP endpoints of the auth service. They must never know MongoDB."""

from auth_service.api.accounts import ACCOUNTS, KEYS, SESSIONS
from auth_service.api.directory import DIRECTORY, EMPLOYEES
from auth_service.api.own_account import OWN_ACCOUNT
from auth_service.api.sessions import OWN_SESSIONS

__all__ = [
    "ACCOUNTS",
    "DIRECTORY",
    "EMPLOYEES",
    "KEYS",
    "OWN_ACCOUNT",
    "OWN_SESSIONS",
    "SESSIONS",
]
