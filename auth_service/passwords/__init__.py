"""Passwords: which are acceptable, and bcrypt in a thread pool. It must never know an account.

`Passwords` hashes and verifies.
"""

from auth_service.passwords.passwords import (
    MAX_PASSWORD_BYTES,
    MIN_PASSWORD,
    Passwords,
    require_acceptable,
    require_checkable,
)

__all__ = [
    "MAX_PASSWORD_BYTES",
    "MIN_PASSWORD",
    "Passwords",
    "require_acceptable",
    "require_checkable",
]
