"""Access tokens: what they say, and whether to believe them (RFC 7519, RFC 9068, RFC 8725)."""

import time
from collections import OrderedDict
from collections.abc import Container
from typing import Protocol

import jwt
import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from shared.errors import Unauthorized

ALGORITHM = "EdDSA"
TOKEN_TYPE = "at+jwt"
"""RFC 9068, section 2.1."""
CACHED_TOKENS = 50_000


class Claims(Struct, frozen=True):
    """Who a token speaks for. `email` is the employee's name in conversations; `exp` is in seconds
    since the epoch; `sid` is the session that issued it."""

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
        """The key of this id, None where there is none. Raises `Unavailable` where nobody knows."""

    def knows(self, kid: str) -> bool:
        """Whether the key of this id is there now, without asking anybody."""


class TokenVerifier:
    """Checks tokens and remembers the good ones until they expire, their key is retired, or their
    session is one of `revoked` (ids of sessions, which others add to)."""

    def __init__(
        self, keys: KeySource, issuer: str, audience: str, revoked: Container[str] = frozenset()
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._revoked = revoked
        self._verified: OrderedDict[str, tuple[Claims, str]] = OrderedDict()

    def cached(self, token: str) -> Claims | None:
        """The claims of a token that was verified before and has not expired."""
        found = self._verified.get(token)
        if found is None:
            return None
        claims, kid = found
        if claims.exp <= time.time() or self.is_revoked(claims) or not self._keys.knows(kid):
            del self._verified[token]
            return None
        return claims

    def is_revoked(self, claims: Claims) -> bool:
        """Whether the session has ended that these claims are of."""
        return claims.sid in self._revoked

    async def verify(self, token: str) -> Claims:
        """The claims of `token`.

        Raises `Unauthorized` where it is not ours, not meant for us, expired, or of a session that
        was revoked, and `Unavailable` where no key could be had to tell.
        """
        kid = _key_id(token)
        key = await self._keys.find(kid)
        if key is None:
            raise Unauthorized("The access token is signed by an unknown key.")
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
            raise Unauthorized("The session of this access token has ended: log in again.")
        self._verified[token] = claims, kid
        if len(self._verified) > CACHED_TOKENS:
            self._verified.popitem(last=False)
        return claims


VERIFIER = web.AppKey("verifier", TokenVerifier)


def _key_id(token: str) -> str:
    """The `kid` of a token whose header is one of ours; the algorithm is not the token's choice."""
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
        raise Unauthorized("The access token is not one of this system's.")
    return kid
