"""The folder of signing keys: made once, rotated by adding a file, refused where it is unsafe."""

import asyncio
import stat
import time
from base64 import encodebytes
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from auth_service.tokens import keys
from auth_service.tokens.keys import (
    FIRST_KEY,
    NAMED_AFTER,
    KeyFolderError,
    KeyWatch,
    load_keys,
    read_keys,
    signs_since,
    thumbprint,
)
from auth_service.tokens.rotate_keys import rotate
from shared.jwks import PublicJwk, from_jwk
from tests.support.conditions import until


def pem(encryption: KeySerializationEncryption | None = None) -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()
    )


def put(folder: Path, name: str, content: bytes, mode: int = 0o600) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_bytes(content)
    file.chmod(mode)
    return file


def test_first_start_makes_one_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "keys"
    ring = load_keys(folder)
    (file,) = folder.iterdir()
    assert file.name == FIRST_KEY
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [key.kid for key in ring.jwks.keys] == [ring.signing.kid]


def test_second_start_finds_the_same_key(tmp_path: Path) -> None:
    assert load_keys(tmp_path / "keys").jwks == load_keys(tmp_path / "keys").jwks


def test_replicas_that_start_at_once_in_an_empty_folder_share_one_key(tmp_path: Path) -> None:
    replicas = 16
    together = Barrier(replicas)

    def start() -> str:
        together.wait()
        return load_keys(tmp_path / "keys").signing.kid

    with ThreadPoolExecutor(replicas) as pool:
        kids = {future.result() for future in [pool.submit(start) for _ in range(replicas)]}
    assert len(kids) == 1
    assert [file.name for file in (tmp_path / "keys").iterdir()] == [FIRST_KEY]


def test_draft_of_a_start_that_crashed_is_no_key(tmp_path: Path) -> None:
    put(tmp_path, ".draft-0123", b"-----BEGIN PRIV")
    assert len(load_keys(tmp_path).jwks.keys) == 1


def named(seconds: float) -> str:
    """The name of a key that signs from so many seconds ahead on."""
    return f"{datetime.now(UTC) + timedelta(seconds=seconds):{NAMED_AFTER}}.pem"


async def test_newest_key_whose_time_has_come_signs_and_all_verify(tmp_path: Path) -> None:
    first = load_keys(tmp_path)
    put(tmp_path, named(-60), pem())
    put(tmp_path, named(3600), pem())
    put(tmp_path, named(-3600), pem())
    ring = load_keys(tmp_path)
    assert len(ring.jwks.keys) == 4
    assert ring.signing.kid == ring.jwks.keys[2].kid
    put(tmp_path, named(-10), pem())
    (tmp_path / FIRST_KEY).unlink()
    ring.replace(read_keys(tmp_path))
    assert ring.signing.kid == ring.jwks.keys[2].kid
    assert await ring.find(ring.signing.kid) == ring.signing.public
    assert await ring.find(first.signing.kid) is None


def test_where_no_time_has_come_the_oldest_key_signs(tmp_path: Path) -> None:
    put(tmp_path, named(7200), pem())
    put(tmp_path, named(3600), pem())
    ring = load_keys(tmp_path)
    assert ring.signing.kid == ring.jwks.keys[0].kid


def test_rotation_adds_a_key_ahead_and_removes_what_nobody_needs(tmp_path: Path) -> None:
    load_keys(tmp_path)
    for age in (4, 3, 1):
        put(tmp_path, named(-age * 86_400), pem())
    recent = sorted(file.name for file in tmp_path.iterdir())[2:]
    added, removed = rotate(tmp_path)
    assert removed[0] == FIRST_KEY
    assert len(removed) == 2
    assert [file.name for file in sorted(tmp_path.iterdir())] == [*recent, added]
    assert 290 < signs_since(tmp_path / added) - time.time() <= 300
    assert load_keys(tmp_path).signing.kid == load_keys(tmp_path).jwks.keys[1].kid


def test_rotation_of_a_folder_that_is_unsafe_changes_nothing(tmp_path: Path) -> None:
    file = put(tmp_path, named(-60), pem(), 0o644)
    with pytest.raises(KeyFolderError, match="mode 0644"):
        rotate(tmp_path)
    assert list(tmp_path.iterdir()) == [file]


def test_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    load_keys(tmp_path / "keys")
    (tmp_path / "keys").chmod(0o777)
    with pytest.raises(KeyFolderError, match=r"mode 0777.*chmod 700"):
        load_keys(tmp_path / "keys")


def test_key_id_is_the_thumbprint_of_rfc_8037() -> None:
    example = PublicJwk(kid="", x="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    assert thumbprint(from_jwk(example)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("mode", [0o604, 0o640 | 0o020, 0o666, 0o777, 0o601])
def test_key_that_others_can_get_at_is_refused(tmp_path: Path, mode: int) -> None:
    file = put(tmp_path, "20261122T173000Z.pem", pem(), mode)
    with pytest.raises(KeyFolderError, match=rf"{file} has mode {mode:04o}.*chmod 600"):
        load_keys(tmp_path)


def test_key_of_a_mounted_secret_may_be_read_by_its_group(tmp_path: Path) -> None:
    put(tmp_path, "20261122T173000Z.pem", pem(), 0o440)
    assert len(load_keys(tmp_path).jwks.keys) == 1


ELLIPTIC = generate_private_key(SECP256R1()).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)
PUBLIC = (
    Ed25519PrivateKey.generate()
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
)


def pkcs8(algorithm: str) -> bytes:
    """A private key of two bytes, of an algorithm by its OID as hexadecimal DER."""
    oid = bytes.fromhex(algorithm)
    content = b"\x02\x01\x00\x30" + bytes([len(oid)]) + oid + b"\x04\x02\x04\x00"
    der = b"\x30" + bytes([len(content)]) + content
    return b"-----BEGIN PRIVATE KEY-----\n" + encodebytes(der) + b"-----END PRIVATE KEY-----\n"


UNKNOWN = pkcs8("06032a0304")
TOO_SHORT = pkcs8("06032b656f")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        ELLIPTIC,
        PUBLIC,
        pem(BestAvailableEncryption(b"secret")),
        UNKNOWN,
        TOO_SHORT,
    ],
    ids=[
        "empty",
        "nonsense",
        "another curve",
        "a public key",
        "encrypted",
        "an unknown algorithm",
        "too short an X448 key",
    ],
)
def test_file_that_is_no_ed25519_key_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, "20250101T000000Z.pem", pem())
    file = put(tmp_path, "20261122T173000Z.pem", content)
    with pytest.raises(KeyFolderError, match=f"{file} is not an unencrypted Ed25519 private key"):
        load_keys(tmp_path)


@pytest.mark.parametrize("content", [b"nonsense", UNKNOWN, TOO_SHORT])
async def test_file_that_is_no_key_changes_nothing_while_a_replica_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(keys, "LOOK_SECONDS", 0.01)
    looks: list[Path] = []

    def looking(folder: Path) -> list[keys.SigningKey]:
        try:
            return read_keys(folder)
        finally:
            looks.append(folder)

    monkeypatch.setattr(keys, "read_keys", looking)
    ring = load_keys(tmp_path)
    looks.clear()
    first = ring.signing.kid
    watching = asyncio.create_task(KeyWatch(tmp_path, ring).run())

    async def has_looked() -> bool:
        return bool(looks) or watching.done()

    async def has_two_keys() -> bool:
        return len(ring.jwks.keys) == 2 or watching.done()

    try:
        file = put(tmp_path, named(-60), content)
        await until(has_looked)
        file.unlink()
        put(tmp_path, named(-30), pem())
        await until(has_two_keys)
        assert not watching.done()
        assert ring.knows(first)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


def test_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = put(tmp_path, "keys", b"")
    with pytest.raises(KeyFolderError, match=f"SIGNING_KEYS: {file} cannot be used"):
        load_keys(file)
