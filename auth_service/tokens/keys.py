"""The signing keys: a folder of Ed25519 private keys, PKCS 8 in PEM, one key a file.

A file is named after the time from which its key signs (`20261122T173000Z.pem`). Of those whose
time has come the last one signs; the public halves of all are in the JWKS. So a key is rotated by
adding a file whose time is some minutes ahead: when it comes, every replica has the key, and all
change at once. It is retired by removing its file. A key's id is its RFC 7638 thumbprint: it says
what the key is, so no two keys can share one by mistake.
"""

import asyncio
import hashlib
import os
import secrets
import stat
import time
from base64 import urlsafe_b64encode
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

from shared.jwks import Jwks, to_jwk
from shared.observability.logs import get_logger

log = get_logger("keys")

FIRST_KEY = "00000000T000000Z.pem"
"""The name of a key made at a first start. It is always the same, so that of two replicas which
start at once only one can take it, and it sorts before every date, so any later key is newer."""

NAMED_AFTER = "%Y%m%dT%H%M%SZ"
NO_KEY = (ValueError, TypeError, UnsupportedAlgorithm, InternalError)
"""What `cryptography` raises where it cannot load a key; TypeError: it is encrypted, InternalError:
OpenSSL refuses what is in it."""

LOOK_SECONDS = 2.0
"""How soon a file that was added or removed is noticed."""

FORBIDDEN_MODE = stat.S_IRWXO | stat.S_IWGRP
"""Others may do nothing, the group may read: Kubernetes mounts Secrets for a group."""


class KeyFolderError(Exception):
    """The folder cannot be used as it is; the message says which file, and what to do."""


class SigningKey(Struct, frozen=True):
    """`since` is when it begins to sign, in seconds since the epoch."""

    kid: str
    private: Ed25519PrivateKey
    public: Ed25519PublicKey
    since: float = 0.0


class KeyRing:
    """The keys of a folder, oldest first. A `shared.tokens.KeySource` for our own tokens."""

    def __init__(self, keys: list[SigningKey]) -> None:
        self.replace(keys)

    def replace(self, keys: list[SigningKey]) -> None:
        """From now on these are the keys; at least one."""
        self._keys = keys
        self._public = {key.kid: key.public for key in keys}
        self.jwks = Jwks(tuple(to_jwk(key.kid, key.public) for key in keys))

    @property
    def signing(self) -> SigningKey:
        """The newest whose time has come; before that of any has, the oldest."""
        now = time.time()
        return next((key for key in reversed(self._keys) if key.since <= now), self._keys[0])

    async def find(self, kid: str) -> Ed25519PublicKey | None:
        return self._public.get(kid)

    def knows(self, kid: str) -> bool:
        return kid in self._public


class KeyWatch:
    """Keeps a ring as its folder is. What cannot be used is said once, and changes nothing."""

    def __init__(self, folder: Path, ring: KeyRing) -> None:
        self._folder = folder
        self._ring = ring
        self._seen = _fingerprint(folder)

    async def run(self) -> None:
        """Look into the folder until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            seen = await asyncio.to_thread(_fingerprint, self._folder)
            if seen == self._seen:
                continue
            self._seen = seen
            try:
                self._ring.replace(await asyncio.to_thread(read_keys, self._folder))
            except KeyFolderError as error:
                log.error("the signing keys stay as they were", reason=str(error))
            else:
                log.info(
                    "the signing keys have changed", kids=[k.kid for k in self._ring.jwks.keys]
                )


def load_keys(folder: Path) -> KeyRing:
    """The keys in `folder`, which is made, with one key in it, where there is none.

    Replicas that start at once in the same empty folder end up with the same key. Raises
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
            f"SIGNING_KEYS: {folder} has mode {mode:04o}: others can put keys of theirs into it."
            f" Run chmod 700 {folder}."
        )
    if not files:
        raise KeyFolderError(f"SIGNING_KEYS: there is no key in {folder}.")
    return [_load(file) for file in files]


def thumbprint(key: Ed25519PublicKey) -> str:
    """RFC 7638: SHA-256 over the required members (RFC 8037, appendix A.3) in sorted order."""
    jwk = to_jwk("", key)
    members = msgspec.json.encode({"crv": jwk.crv, "kty": jwk.kty, "x": jwk.x}, order="sorted")
    return urlsafe_b64encode(hashlib.sha256(members).digest()).rstrip(b"=").decode()


def key_files(folder: Path) -> list[Path]:
    """In order of their age, as far as their names tell."""
    if not folder.exists():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix == ".pem")


def signs_since(file: Path) -> float:
    """Seconds since the epoch; 0, always, where the name is no time."""
    try:
        return datetime.strptime(file.stem, NAMED_AFTER).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def write_key(folder: Path, name: str) -> bool:
    """Put a new key into `folder` under `name`; False where that exists already.

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
        os.link(draft, folder / name)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    log.info("made a signing key", file=str(folder / name))
    return True


def _fingerprint(folder: Path) -> list[tuple[str, int, int, int]]:
    """Changes whenever a file does; empty where the folder cannot be read."""
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
            f"{file} has mode {mode:04o}: others can get at this private key."
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
