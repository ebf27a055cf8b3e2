"""Issues access tokens: signed, short-lived statements of who somebody is (RFC 9068)."""

import time
from uuid import uuid4

import jwt
import msgspec

from auth_service.tokens.keys import KeyRing
from shared.tokens import ALGORITHM, TOKEN_TYPE, Claims


class TokenIssuer:
    """Signs with the key that is due; `lifetime` is in seconds."""

    def __init__(self, keys: KeyRing, *, issuer: str, audience: str, lifetime: int) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self.lifetime = lifetime

    def issue(self, *, employee: str, email: str, name: str, session: str) -> str:
        now = int(time.time())
        claims = Claims(
            iss=self._issuer,
            aud=self._audience,
            sub=employee,
            email=email,
            name=name,
            sid=session,
            jti=uuid4().hex,
            iat=now,
            exp=now + self.lifetime,
        )
        key = self._keys.signing
        return jwt.encode(
            msgspec.structs.asdict(claims),
            key.private,
            algorithm=ALGORITHM,
            headers={"typ": TOKEN_TYPE, "kid": key.kid},
        )
