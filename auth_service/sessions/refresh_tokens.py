"""Refresh tokens as text: a session's id, what all its tokens share, and 256 random bits.

The shared part, the family, is what makes the difference between an old token, which revokes, and a
session's id with noise, which must not: ids are in every access token, and knowing one must not be
enough to end a session.
"""

import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Self

from bson import Binary
from msgspec import Struct

from shared.errors import InvalidCredentials

SID_BYTES, FAMILY_BYTES, SECRET_BYTES = 16, 16, 32


class RefreshToken(Struct, frozen=True):
    """One token; only the digests of `family` and `secret` are ever stored."""

    session: bytes
    family: bytes
    secret: bytes

    @classmethod
    def first(cls) -> Self:
        """The first token of a new session."""
        return cls(
            secrets.token_bytes(SID_BYTES),
            secrets.token_bytes(FAMILY_BYTES),
            secrets.token_bytes(SECRET_BYTES),
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `InvalidCredentials` where `text` cannot be a refresh token."""
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            raw = b""
        if len(raw) != SID_BYTES + FAMILY_BYTES + SECRET_BYTES:
            raise InvalidCredentials("This is no refresh token.")
        secret_at = SID_BYTES + FAMILY_BYTES
        return cls(raw[:SID_BYTES], raw[SID_BYTES:secret_at], raw[secret_at:])

    def successor(self) -> "RefreshToken":
        return RefreshToken(self.session, self.family, secrets.token_bytes(SECRET_BYTES))

    @property
    def sid(self) -> str:
        """The session's id, as access tokens have it."""
        return self.session.hex()

    def __str__(self) -> str:
        raw = self.session + self.family + self.secret
        return urlsafe_b64encode(raw).decode().rstrip("=")


def digest(part: bytes) -> Binary:
    """SHA-256, without salt or stretching: enough for what is random."""
    return Binary(hashlib.sha256(part).digest())
