"""Passwords: which are acceptable, and bcrypt in threads of its own. It must never know an account.

`Passwords` hashes and checks.
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
