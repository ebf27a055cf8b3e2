"""Public keys of the auth service, fetched as a JWKS (RFC 7517, RFC 8037) and kept."""

import asyncio
import time
from typing import Literal

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

from shared import base64url
from shared.errors import Unavailable
from shared.observability.logs import get_logger

log = get_logger("jwks")

REFETCH_SECONDS = 5.0
"""Unknown key ids cause at most one fetch in this time, so that forged tokens cost little."""
REFRESH_SECONDS = 300.0
"""Keys are fetched again after this time, so that a retired one is no longer accepted."""


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
    return PublicJwk(kid, base64url.encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)))


def from_jwk(jwk: PublicJwk) -> Ed25519PublicKey:
    """Raises `ValueError` if `x` is not such a key."""
    return Ed25519PublicKey.from_public_bytes(base64url.decode(jwk.x))


class RemoteKeys:
    """A `KeySource` that fetches from the auth service, and keeps its keys while that is down."""

    def __init__(self, http: aiohttp.ClientSession, auth_url: str) -> None:
        self._http = http
        self._url = f"{auth_url}/.well-known/jwks.json"
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetched_at = float("-inf")
        """When the last successful fetch began; earlier than `_tried_at` after a failure."""
        self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, kid: str) -> Ed25519PublicKey | None:
        age = time.monotonic() - self._fetched_at
        # Nobody waits for a known key: one caller fetches newer ones, the others go on.
        if kid not in self._keys or (age > REFRESH_SECONDS and not self._fetching.locked()):
            await self._refetch()
        key = self._keys.get(kid)
        if key is None and self._fetched_at < self._tried_at:
            # It may be a new key, and "unknown" would turn a valid client away for good.
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
