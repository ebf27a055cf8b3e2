"""Access tokens that must not be believed (RFC 8725)."""

import base64
import hashlib
import hmac
import time
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from auth_service.settings import AuthSettings
from auth_service.tokens.keys import SigningKey, load_keys
from tests.support.auth_service import AuthService, Reply

TYPE = {"typ": "at+jwt"}


@pytest.fixture
def signing(auth: AuthService, settings: AuthSettings) -> SigningKey:
    return load_keys(Path(settings.signing_keys)).signing


@pytest.fixture
async def claims(auth: AuthService) -> dict[str, Any]:
    """Of a real token of a real employee: every attack below changes one thing of it."""
    token = (await auth.member("alice@example.com"))["access_token"]
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def signed(claims: dict[str, Any], key: SigningKey, **header: Any) -> str:
    return jwt.encode(claims, key.private, "EdDSA", TYPE | {"kid": key.kid} | header)


def assert_unauthorized(reply: Reply) -> None:
    assert (reply.status, reply.code) == (401, "unauthorized")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


async def test_unchanged_claims_are_believed(
    auth: AuthService, claims: dict[str, Any], signing: SigningKey
) -> None:
    assert (await auth.get("/employees/me", token=signed(claims, signing))).status == 200


CHANGES: list[dict[str, Any]] = [
    {"exp": 1},
    {"exp": None},
    {"exp": "never"},
    {"iss": "somebody-else"},
    {"aud": "another-service"},
    {"aud": ["messaging", "another-service"]},
    {"nbf": 4_000_000_000},
    {"sub": None},
    {"sub": 1},
    {"sub": {"$gt": ""}},
    {"sid": None},
    {"jti": None},
    {"email": {"$gt": ""}},
]


async def test_every_changed_claim_is_refused(
    auth: AuthService, claims: dict[str, Any], signing: SigningKey
) -> None:
    for change in CHANGES:
        changed = {name: value for name, value in (claims | change).items() if value is not None}
        # By hand, since PyJWT does not encode what it would not decode.
        head = joined({"alg": "EdDSA", "kid": signing.kid} | TYPE, changed)
        token = f"{head}.{encoded(signing.private.sign(head.encode()))}"
        reply = await auth.get("/employees/me", token=token)
        assert (reply.status, reply.code) == (401, "unauthorized"), change


async def test_token_expires(
    auth: AuthService, claims: dict[str, Any], signing: SigningKey
) -> None:
    past = claims | {"iat": int(time.time()) - 601, "exp": int(time.time()) - 1}
    reply = await auth.get("/employees/me", token=signed(past, signing))
    assert_unauthorized(reply)
    assert "expired" in reply.body["detail"]


async def test_every_changed_header_is_refused(
    auth: AuthService, claims: dict[str, Any], signing: SigningKey
) -> None:
    for change in ({"typ": "JWT"}, {"typ": None}, {"kid": None}, {"kid": "other"}, {"kid": 1}):
        header = {"alg": "EdDSA", "kid": signing.kid} | TYPE | change
        head = joined({name: value for name, value in header.items() if value}, claims)
        token = f"{head}.{encoded(signing.private.sign(head.encode()))}"
        reply = await auth.get("/employees/me", token=token)
        assert (reply.status, reply.code) == (401, "unauthorized"), change


async def test_another_key_is_refused_under_our_key_id_and_its_own(
    auth: AuthService, claims: dict[str, Any], signing: SigningKey
) -> None:
    other = Ed25519PrivateKey.generate()
    own = base64.urlsafe_b64encode(
        other.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    ).decode()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": own.rstrip("=")}
    for header in ({}, {"kid": "own"}, {"jwk": jwk}, {"jku": "http://127.0.0.1:1/jwks.json"}):
        token = jwt.encode(claims, other, "EdDSA", TYPE | {"kid": signing.kid} | header)
        assert_unauthorized(await auth.get("/employees/me", token=token))


async def test_unsigned_token_is_refused(
    auth: AuthService, claims: dict[str, Any], signing: SigningKey
) -> None:
    for algorithm in ("none", "None", "nOnE", ""):
        head = joined({"alg": algorithm, "kid": signing.kid} | TYPE, claims)
        for signature in ("", encoded(b"x" * 64)):
            assert_unauthorized(await auth.get("/employees/me", token=f"{head}.{signature}"))


async def test_public_key_is_no_hmac_secret(
    auth: AuthService, claims: dict[str, Any], signing: SigningKey
) -> None:
    raw = signing.public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    info = PublicFormat.SubjectPublicKeyInfo
    pem, der = (signing.public.public_bytes(form, info) for form in (Encoding.PEM, Encoding.DER))
    head = joined({"alg": "HS256", "kid": signing.kid} | TYPE, claims)
    for secret in (raw, pem, pem.strip(), der, encoded(raw).encode()):
        signature = hmac.digest(secret, head.encode(), hashlib.sha256)
        assert_unauthorized(await auth.get("/employees/me", token=f"{head}.{encoded(signature)}"))


async def test_changed_payload_under_an_old_signature_is_refused(
    auth: AuthService, claims: dict[str, Any], signing: SigningKey
) -> None:
    header, _, signature = signed(claims, signing).split(".")
    forged = encoded(msgspec.json.encode(claims | {"email": "bob@example.com"}))
    assert_unauthorized(await auth.get("/employees/me", token=f"{header}.{forged}.{signature}"))


async def test_noise_is_no_token(auth: AuthService) -> None:
    for token in ("x", "a.b.c", "..", "é", "e30.e30.", "x" * 7000, "[" * 7000):
        assert_unauthorized(await auth.get("/employees/me", token=token))


async def test_other_authorization_is_refused(auth: AuthService) -> None:
    for header in ("", "Bearer", "Bearer ", "Basic YTpi", "bearer", "Token x"):
        reply = await auth.request("GET", "/employees/me", headers={"Authorization": header})
        assert_unauthorized(reply)


async def test_refresh_token_is_no_access_token(auth: AuthService) -> None:
    token = (await auth.member("alice@example.com"))["refresh_token"]
    assert_unauthorized(await auth.get("/employees/me", token=token))


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def joined(*parts: dict[str, Any]) -> str:
    return ".".join(encoded(msgspec.json.encode(part)) for part in parts)
