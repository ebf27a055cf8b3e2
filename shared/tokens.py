"""Access tokens: their claims, and how they are verified (RFC 7519, RFC 9068, RFC 8725)."""

import time
from collections.abc import Container
from typing import Protocol

import jwt
import msgspec
from aiohttp import web
from cachetools import LRUCache
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from shared.errors import Unauthorized

ALGORITHM = "EdDSA"
TOKEN_TYPE = "at+jwt"
"""RFC 9068, section 2.1."""
CACHED_TOKENS = 50_000


class Claims(Struct, frozen=True):
    """Whom a token speaks for. `email` names the employee in conversations, `sid` is the session
    that issued the token, `exp` is in seconds since the epoch."""

    iss: str
    aud: str
    sub: str
    email: str
    name: str
    sid: str
    jti: str
    iat: int
    exp: int


class KeySource(Protocol):
    """Where public keys come from: the auth service's own ring, or a JWKS fetched from it."""

    async def find(self, kid: str) -> Ed25519PublicKey | None:
        """The key with this id, or None. Raises `Unavailable` if the keys cannot be fetched."""

    def knows(self, kid: str) -> bool:
        """Whether the key with this id is at hand, without fetching anything."""


class TokenVerifier:
    """Verifies tokens, and remembers up to `CACHED_TOKENS` valid ones.

    A token is remembered until it expires, its key is retired, or its session is among `revoked`
    (ids of sessions, to which others add).
    """

    def __init__(
        self, keys: KeySource, issuer: str, audience: str, revoked: Container[str] = frozenset()
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._revoked = revoked
        self._verified: LRUCache[str, tuple[Claims, str]] = LRUCache(CACHED_TOKENS)

    def cached(self, token: str) -> Claims | None:
        """The claims of a token that was verified before and is still valid, else None."""
        found = self._verified.get(token)
        if found is None:
            return None
        claims, kid = found
        if claims.exp <= time.time() or self.is_revoked(claims) or not self._keys.knows(kid):
            del self._verified[token]
            return None
        return claims

    def is_revoked(self, claims: Claims) -> bool:
        """Whether the session that issued this token is known to have ended."""
        return claims.sid in self._revoked

    async def verify(self, token: str) -> Claims:
        """The claims of `token`.

        Raises `Unauthorized` if it is not ours, meant for somebody else, expired, or of a revoked
        session; `Unavailable` if its key cannot be fetched.
        """
        kid = _key_id(token)
        key = await self._keys.find(kid)
        if key is None:
            raise Unauthorized("The access token was signed with an unknown key.")
        try:
            payload = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub", "jti"],
                    "verify_iat": False,
                },
            )
            claims = msgspec.convert(payload, Claims)
        except jwt.ExpiredSignatureError:
            raise Unauthorized("The access token has expired.") from None
        except (jwt.InvalidTokenError, msgspec.ValidationError):
            raise Unauthorized("The access token is not valid.") from None
        if self.is_revoked(claims):
            raise session_ended()
        self._verified[token] = claims, kid
        return claims


VERIFIER = web.AppKey("verifier", TokenVerifier)


def session_ended() -> Unauthorized:
    return Unauthorized("The session of this access token has ended: log in again.")


def _key_id(token: str) -> str:
    """The `kid` of a token whose header looks like ours. The token does not choose the algorithm.

    Raises `Unauthorized`.
    """
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise Unauthorized("The access token is not a JWT.") from None
    kid = header.get("kid")
    if (
        header.get("alg") != ALGORITHM
        or str(header.get("typ")).lower() != TOKEN_TYPE
        or not isinstance(kid, str)
    ):
        raise Unauthorized("The access token was not issued by this system.")
    return kid
