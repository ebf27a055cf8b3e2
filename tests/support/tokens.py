"""Tokens that a chat service must not believe, made from a real one of this system."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

ATTACKS = (
    "expired",
    "signed by another key",
    "alg none",
    "HS256 with the public key as secret",
    "another audience",
    "another issuer",
    "unknown kid",
    "wrong type",
    "not yet valid",
    "valid in a thousand years",
    "its own key in the header",
    "a link to its own key in the header",
    "tampered",
    "no JWT",
)


def forge(attack: str, token: str, keys: Path) -> str:
    """A variant of `token`, which was signed by the key in the folder `keys`."""
    header = jwt.get_unverified_header(token)
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    key = load_pem_private_key(next(keys.glob("*.pem")).read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)

    def sign(head: dict[str, Any], body: dict[str, Any], signer: Ed25519PrivateKey = key) -> str:
        return jwt.encode(body, signer, "EdDSA", headers=head)

    match attack:
        case "expired":
            return sign(header, claims | {"exp": int(time.time()) - 1})
        case "signed by another key":
            return sign(header, claims, Ed25519PrivateKey.generate())
        case "alg none":
            return jwt.encode(claims, "", "none", headers=header | {"alg": "none"})
        case "HS256 with the public key as secret":
            public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            signed = f"{_part(header | {'alg': 'HS256'})}.{_part(claims)}"
            digest = hmac.new(public, signed.encode(), hashlib.sha256).digest()
            return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
        case "another audience":
            return sign(header, claims | {"aud": "payroll"})
        case "another issuer":
            return sign(header, claims | {"iss": "https://elsewhere.example"})
        case "unknown kid":
            return sign(header | {"kid": "nobody"}, claims)
        case "wrong type":
            return sign(header | {"typ": "JWT"}, claims)
        case "not yet valid":
            return sign(header, claims | {"nbf": int(time.time()) + 3600})
        case "valid in a thousand years":
            return sign(header, claims | {"nbf": 33_000_000_000, "exp": 33_000_000_600})
        case "its own key in the header":
            own = Ed25519PrivateKey.generate()
            raw = own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
            return sign(header | {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": x}}, claims, own)
        case "a link to its own key in the header":
            link = "http://127.0.0.1:1/jwks.json"
            return sign(header | {"jku": link, "x5u": link}, claims, Ed25519PrivateKey.generate())
        case "tampered":
            head, body, signature = token.split(".")
            return f"{head}.{body[:-2]}xx.{signature}"
        case "no JWT":
            return "not-a-token"
    raise ValueError(attack)


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
