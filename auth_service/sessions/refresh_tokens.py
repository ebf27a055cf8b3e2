"""Refresh tokens as text: the session's id, a part that all its tokens share, and 256 random bits.

The shared part, the family, tells an old token from a session's id followed by noise. The first
revokes the session; the second must not, because every access token shows the id.
"""

import hashlib
import secrets
from typing import Self

from msgspec import Struct

from shared import base64url
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
        """Raises `InvalidCredentials` if `text` cannot be a refresh token."""
        try:
            raw = base64url.decode(text)
        except ValueError:
            raw = b""
        if len(raw) != SID_BYTES + FAMILY_BYTES + SECRET_BYTES:
            raise InvalidCredentials("This is not a refresh token.")
        secret_at = SID_BYTES + FAMILY_BYTES
        return cls(raw[:SID_BYTES], raw[SID_BYTES:secret_at], raw[secret_at:])

    def successor(self) -> "RefreshToken":
        return RefreshToken(self.session, self.family, secrets.token_bytes(SECRET_BYTES))

    @property
    def sid(self) -> str:
        """The session's id as access tokens show it."""
        return self.session.hex()

    def __str__(self) -> str:
        return base64url.encode(self.session + self.family + self.secret)


def digest(part: bytes) -> bytes:
    """SHA-256 without salt or stretching, which random bits do not need."""
    return hashlib.sha256(part).digest()
