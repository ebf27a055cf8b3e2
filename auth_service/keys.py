"""The signing keys: a folder of Ed25519 private keys, PKCS 8 in PEM, one key a file.

File names sort by age (`20261122T173000Z.pem`). The last one signs; the public halves of all are
in the JWKS, so a key is rotated by adding a file and retired by removing one. A key's id is its
RFC 7638 thumbprint: it says what the key is, so no two keys can share one by mistake.
"""

import hashlib
import os
import secrets
import stat
from base64 import urlsafe_b64encode
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from msgspec import Struct

from shared.jwks import Jwks, to_jwk
from shared.logs import get_logger

log = get_logger("keys")

FIRST_KEY = "00000000T000000Z.pem"
"""The name of a key made at a first start. It is always the same, so that of two replicas which
start at once only one can take it, and it sorts before every date, so any later key is newer."""

FORBIDDEN_MODE = stat.S_IRWXO | stat.S_IWGRP
"""Others may do nothing, the group may read: Kubernetes mounts Secrets for a group."""


class KeyFolderError(Exception):
    """The folder cannot be used as it is; the message says which file, and what to do."""


class SigningKey(Struct, frozen=True):
    kid: str
    private: Ed25519PrivateKey
    public: Ed25519PublicKey


class KeyRing:
    """The keys of a folder, oldest first. A `shared.tokens.KeySource` for our own tokens."""

    def __init__(self, keys: list[SigningKey]) -> None:
        self._public = {key.kid: key.public for key in keys}
        self.signing = keys[-1]
        self.jwks = Jwks(tuple(to_jwk(key.kid, key.public) for key in keys))

    async def find(self, kid: str) -> Ed25519PublicKey | None:
        return self._public.get(kid)


def load_keys(folder: Path) -> KeyRing:
    """The keys in `folder`, which is made, with one key in it, where there is none.

    Replicas that start at once in the same empty folder end up with the same key. Raises
    `KeyFolderError`.
    """
    try:
        files = _key_files(folder)
        if not files:
            _make_first(folder)
            files = _key_files(folder)
    except OSError as error:
        raise KeyFolderError(f"SIGNING_KEYS: {folder} cannot be used: {error.strerror}.") from None
    return KeyRing([_load(file) for file in files])


def thumbprint(key: Ed25519PublicKey) -> str:
    """RFC 7638: SHA-256 over the required members (RFC 8037, appendix A.3) in sorted order."""
    jwk = to_jwk("", key)
    members = msgspec.json.encode({"crv": jwk.crv, "kty": jwk.kty, "x": jwk.x}, order="sorted")
    return urlsafe_b64encode(hashlib.sha256(members).digest()).rstrip(b"=").decode()


def _key_files(folder: Path) -> list[Path]:
    if not folder.exists():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix == ".pem")


def _make_first(folder: Path) -> None:
    """Put a key under `FIRST_KEY`, unless another process does so first.

    It is written under a hidden name and then linked, which fails where the name exists: nobody
    ever reads half a key, and nobody's key is replaced.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    draft = folder / f".draft-{secrets.token_hex(8)}"
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, folder / FIRST_KEY)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)
    log.info("made a first signing key", file=str(folder / FIRST_KEY))


def _load(file: Path) -> SigningKey:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        pem = file.read_bytes()
    except OSError as error:
        raise KeyFolderError(f"{file} cannot be read: {error.strerror}.") from None
    if mode & FORBIDDEN_MODE:
        raise KeyFolderError(
            f"{file} has mode {mode:04o}: others can get at this private key."
            f" Run chmod 600 {file}, or replace the key if it may have been read."
        )
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):  # TypeError: it is encrypted
        raise KeyFolderError(_not_a_key(file)) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFolderError(_not_a_key(file))
    public = private.public_key()
    return SigningKey(thumbprint(public), private, public)


def _not_a_key(file: Path) -> str:
    return (
        f"{file} is not an unencrypted Ed25519 private key."
        f" Make one with: openssl genpkey -algorithm ed25519 -out {file}"
    )
