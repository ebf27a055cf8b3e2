"""Public keys of the auth service, fetched as a JWKS (RFC 7517, RFC 8037) and kept."""

import asyncio
import base64
import time
from typing import Literal

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

from shared.errors import Unavailable
from shared.observability.logs import get_logger

log = get_logger("jwks")

REFETCH_SECONDS = 5.0
"""Unknown key ids cause at most one fetch in this time: strangers' tokens must cost nothing."""
REFRESH_SECONDS = 300.0
"""Keys are looked at again after this time, so that a retired one stops being accepted."""


class PublicJwk(Struct, frozen=True):
    """An Ed25519 public key, RFC 8037 section 2; `x` is base64url without padding."""

    kid: str
    x: str
    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"


class Jwks(Struct, frozen=True):
    keys: tuple[PublicJwk, ...]


def to_jwk(kid: str, key: Ed25519PublicKey) -> PublicJwk:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return PublicJwk(kid=kid, x=base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


def from_jwk(jwk: PublicJwk) -> Ed25519PublicKey:
    """Raises `ValueError` where `x` is no such key."""
    padding = "=" * (-len(jwk.x) % 4)
    return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(jwk.x + padding))


class RemoteKeys:
    """A `KeySource` that asks the auth service, and goes on with what it has when that is down."""

    def __init__(self, http: aiohttp.ClientSession, auth_url: str) -> None:
        self._http = http
        self._url = f"{auth_url}/.well-known/jwks.json"
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetched_at = float("-inf")
        """When the last fetch that succeeded began: before `_tried_at` after a failure."""
        self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, kid: str) -> Ed25519PublicKey | None:
        age = time.monotonic() - self._fetched_at
        # A known key is worth no waiting: one caller looks for newer ones, the others go on.
        if kid not in self._keys or (age > REFRESH_SECONDS and not self._fetching.locked()):
            await self._refetch()
        key = self._keys.get(kid)
        if key is None and self._fetched_at < self._tried_at:
            # It may be a new one: "unknown" would turn good clients away for ever.
            raise Unavailable("The signing keys cannot be fetched now.", retry_after=1.0)
        return key

    def knows(self, kid: str) -> bool:
        return kid in self._keys

    async def check(self) -> str | None:
        """For readiness: None once keys are known."""
        if not self._keys:
            await self._refetch()
        return None if self._keys else f"no signing keys from {self._url} yet"

    async def _refetch(self) -> None:
        async with self._fetching:
            wait = REFETCH_SECONDS if self._keys else 0.5
            if time.monotonic() - self._tried_at < wait:
                return
            self._tried_at = time.monotonic()
            try:
                timeout = aiohttp.ClientTimeout(total=3)
                async with self._http.get(self._url, timeout=timeout) as response:
                    response.raise_for_status()
                    jwks = msgspec.json.decode(await response.read(), type=Jwks)
                self._keys = {jwk.kid: from_jwk(jwk) for jwk in jwks.keys}
                self._fetched_at = self._tried_at
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                log.warning("cannot fetch the signing keys", url=self._url, reason=str(error))
