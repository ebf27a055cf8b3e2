"""The signing keys: a folder of Ed25519 private keys, PKCS 8 in PEM, one key a file.

A file is named after the time from which its key signs (`20261122T173000Z.pem`). The newest key
whose time has come signs; the public halves of all are in the JWKS. So keys are rotated by adding a
file whose time is some minutes ahead: by then every replica has the key, and all change at once. A
key is retired by removing its file. A key's id is its RFC 7638 thumbprint, which follows from the
key, so two keys cannot share one by mistake.
"""

import asyncio
import hashlib
import os
import secrets
import stat
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from msgspec import Struct

from shared import base64url
from shared.jwks import Jwks, to_jwk
from shared.observability.logs import get_logger
from shared.tasks import every

log = get_logger("keys")

FIRST_KEY = "00000000T000000Z.pem"
"""The name of the key that a first start makes. It is fixed, so that of two replicas that start at
once only one can take it. It sorts before every date, so any later key is newer."""

NAMED_AFTER = "%Y%m%dT%H%M%SZ"
NO_KEY = (ValueError, TypeError, UnsupportedAlgorithm, InternalError)
"""What `cryptography` raises if it cannot load a key (TypeError: it is encrypted; InternalError:
OpenSSL refuses its content)."""

LOOK_SECONDS = 2.0
"""How soon an added or removed file is noticed."""

FORBIDDEN_MODE = stat.S_IRWXO | stat.S_IWGRP
"""Others get no access, and the group may read, because Kubernetes mounts Secrets for a group."""


class KeyFolderError(Exception):
    """The folder cannot be used; the message names the file and says what to do."""


class SigningKey(Struct, frozen=True):
    """`since` is the time from which it signs, in seconds since the epoch."""

    kid: str
    private: Ed25519PrivateKey
    public: Ed25519PublicKey
    since: float = 0.0


class KeyRing:
    """The keys of a folder, oldest first. A `shared.tokens.KeySource` for our own tokens."""

    def __init__(self, keys: list[SigningKey]) -> None:
        self.replace(keys)

    def replace(self, keys: list[SigningKey]) -> None:
        """Use these keys from now on; at least one."""
        self._keys = keys
        self._public = {key.kid: key.public for key in keys}
        self.jwks = Jwks(tuple(to_jwk(key.kid, key.public) for key in keys))

    @property
    def signing(self) -> SigningKey:
        """The newest key whose time has come; if there is none, the oldest."""
        now = time.time()
        return next((key for key in reversed(self._keys) if key.since <= now), self._keys[0])

    async def find(self, kid: str) -> Ed25519PublicKey | None:
        return self._public.get(kid)

    def knows(self, kid: str) -> bool:
        return kid in self._public


class KeyWatch:
    """Keeps a ring as its folder is. An unusable folder is logged once, and changes nothing."""

    def __init__(self, folder: Path, ring: KeyRing) -> None:
        self._folder = folder
        self._ring = ring
        self._seen = _fingerprint(folder)

    async def run(self) -> None:
        """Look into the folder every `LOOK_SECONDS`, until cancelled."""
        await every(LOOK_SECONDS, self._look)

    async def _look(self) -> None:
        seen = await asyncio.to_thread(_fingerprint, self._folder)
        if seen == self._seen:
            return
        try:
            self._ring.replace(await asyncio.to_thread(read_keys, self._folder))
        except KeyFolderError as error:
            log.error("kept the signing keys: the folder cannot be used", reason=str(error))
        else:
            log.info(
                "the signing keys have changed", kids=[key.kid for key in self._ring.jwks.keys]
            )
        self._seen = seen


def load_keys(folder: Path) -> KeyRing:
    """The keys in `folder`. If it has none, it is created with a new key in it.

    Replicas that start at once with the same empty folder end up with the same key. Raises
    `KeyFolderError`.
    """
    try:
        if not key_files(folder):
            write_key(folder, FIRST_KEY)
    except OSError as error:
        raise _unusable(folder, error) from None
    return KeyRing(read_keys(folder))


def read_keys(folder: Path) -> list[SigningKey]:
    """The keys in `folder`, oldest first; at least one. Raises `KeyFolderError`."""
    try:
        files = key_files(folder)
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError as error:
        raise _unusable(folder, error) from None
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise KeyFolderError(
            f"SIGNING_KEYS: {folder} has mode {mode:04o}: others can put their own keys into it."
            f" Run chmod 700 {folder}."
        )
    if not files:
        raise KeyFolderError(f"SIGNING_KEYS: there is no key in {folder}.")
    return [_load(file) for file in files]


def thumbprint(key: Ed25519PublicKey) -> str:
    """RFC 7638: SHA-256 over the required members (RFC 8037, appendix A.3) in sorted order."""
    jwk = to_jwk("", key)
    members = msgspec.json.encode({"crv": jwk.crv, "kty": jwk.kty, "x": jwk.x}, order="sorted")
    return base64url.encode(hashlib.sha256(members).digest())


def key_files(folder: Path) -> list[Path]:
    """The key files, oldest first as their names tell."""
    if not folder.exists():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix == ".pem")


def signs_since(file: Path) -> float:
    """Seconds since the epoch; 0 if the name is not a time: such a key may always sign."""
    try:
        return datetime.strptime(file.stem, NAMED_AFTER).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def write_key(folder: Path, name: str) -> bool:
    """Put a new key into `folder` under `name`; False if the name is taken.

    The key is written under a hidden name and then linked, which fails if the name exists. So
    nobody ever reads half a key, and no key is overwritten.
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
        os.link(draft, folder / name)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    log.info("created a signing key", file=str(folder / name))
    return True


def _fingerprint(folder: Path) -> list[tuple[str, int, int, int]]:
    """A value that changes whenever a file does; empty if the folder cannot be read."""
    try:
        stats = [(file.name, file.stat()) for file in key_files(folder)]
    except OSError:
        return []
    return [(name, one.st_mtime_ns, one.st_size, one.st_mode) for name, one in stats]


def _unusable(folder: Path, error: OSError) -> KeyFolderError:
    return KeyFolderError(f"SIGNING_KEYS: {folder} cannot be used: {error.strerror}.")


def _load(file: Path) -> SigningKey:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        pem = file.read_bytes()
    except OSError as error:
        raise KeyFolderError(f"{file} cannot be read: {error.strerror}.") from None
    if mode & FORBIDDEN_MODE:
        raise KeyFolderError(
            f"{file} has mode {mode:04o}: others can access this private key."
            f" Run chmod 600 {file}, or replace the key if it may have been read."
        )
    try:
        private = load_pem_private_key(pem, password=None)
    except NO_KEY:
        raise KeyFolderError(_not_a_key(file)) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFolderError(_not_a_key(file))
    public = private.public_key()
    return SigningKey(thumbprint(public), private, public, signs_since(file))


def _not_a_key(file: Path) -> str:
    return (
        f"{file} is not an unencrypted Ed25519 private key."
        f" Make one with: openssl genpkey -algorithm ed25519 -out {file}"
    )
