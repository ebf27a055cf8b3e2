"""Passwords: hashes of other systems verify, refusals cost the same, and the queue is bounded."""

import asyncio
from collections.abc import Iterator
from typing import Any

import bcrypt
import pytest
from prometheus_client import CollectorRegistry

from auth_service.passwords.passwords import Passwords, require_acceptable, require_checkable
from shared.errors import InvalidInput, Unavailable

# Test vectors of jBCrypt; the other prefixes name the same algorithm.
VECTORS = [
    ("a", "$2a$10$k87L/MF28Q673VKh8/cPi.SUl7MU/rWuSiIDDFayrKk/1tBsSQu4u"),
    (
        "abcdefghijklmnopqrstuvwxyz",
        "$2a$10$fVH8e28OQRj9tqiDXs1e1uxpsjN0c7II7YPKXua2NAKYvM6iQk7dq",
    ),
]


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords(cost=6, workers=1, queue=1, registry=CollectorRegistry())
    yield passwords
    passwords.close()


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
@pytest.mark.parametrize(("password", "hashed"), VECTORS)
async def test_hashes_of_other_systems_verify(
    passwords: Passwords, password: str, hashed: str, prefix: str
) -> None:
    assert await passwords.verify(password, hashed.replace("$2a$", prefix))
    assert not await passwords.verify(password + "b", hashed.replace("$2a$", prefix))


async def test_new_hash_verifies_and_is_of_todays_cost(passwords: Passwords) -> None:
    hashed = await passwords.hash("correct horse")
    assert hashed.startswith("$2b$06$")
    assert await passwords.verify("correct horse", hashed)
    assert not passwords.outdated(hashed)


def test_only_a_lower_cost_is_outdated(passwords: Passwords) -> None:
    hashed = "$2b$05$" + "." * 53
    assert passwords.outdated(hashed)
    assert not passwords.outdated(hashed.replace("05", "06"))
    assert not passwords.outdated(hashed.replace("05", "07"))


@pytest.mark.parametrize("stored", ["", "plain text", "$2b$06$short", "$1$06$" + "." * 53])
async def test_stored_password_that_is_no_hash_fits_nothing(
    passwords: Passwords, stored: str
) -> None:
    assert not await passwords.verify("plain text", stored)


@pytest.mark.parametrize(
    "hashed",
    [None, "", bcrypt.hashpw(b"other", bcrypt.gensalt(4)), bcrypt.hashpw(b"o", bcrypt.gensalt(6))],
    ids=["unknown employee", "no hash", "older hash", "today's hash"],
)
async def test_every_refusal_is_the_same_work(
    passwords: Passwords, hashed: str | bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: list[int] = []

    def counted(real: Any, cost_at: int) -> Any:
        def compute(*arguments: bytes) -> Any:
            work.append(2 ** int(arguments[cost_at].split(b"$")[2]))
            return real(*arguments)

        return compute

    monkeypatch.setattr(bcrypt, "hashpw", counted(bcrypt.hashpw, 1))
    monkeypatch.setattr(bcrypt, "checkpw", counted(bcrypt.checkpw, 1))
    stored = hashed.decode() if isinstance(hashed, bytes) else hashed
    assert not await passwords.verify("a password", stored)
    assert sum(work) == 2**6


async def test_more_than_the_queue_holds_is_refused_with_a_time_to_come_back() -> None:
    registry = CollectorRegistry()
    passwords = Passwords(cost=10, workers=1, queue=2, registry=registry)
    accepted = [asyncio.create_task(passwords.hash("a password")) for _ in range(3)]
    await asyncio.sleep(0)
    assert registry.get_sample_value("auth_bcrypt_pending") == 3
    with pytest.raises(Unavailable) as refused:
        await passwords.hash("a password")
    assert refused.value.retry_after == 1
    await asyncio.gather(*accepted)
    assert await passwords.hash("a password")
    assert registry.get_sample_value("auth_bcrypt_pending") == 0
    assert registry.get_sample_value("auth_bcrypt_seconds_count", {"work": "hash"}) == 4
    passwords.close()


@pytest.mark.parametrize("password", ["a" * 8, "é" * 36, "a" * 72, "😀" * 18, " " * 8])
def test_password_of_8_characters_to_72_bytes_is_acceptable(password: str) -> None:
    require_acceptable(password, "a@b.org")


@pytest.mark.parametrize("password", ["", "a" * 7, "é" * 37, "a" * 73, "😀" * 19, "12345678\x00"])
def test_other_passwords_are_refused_by_their_path(password: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        require_acceptable(password, "a@b.org", "$.new")
    assert [problem.path for problem in refused.value.problems] == ["$.new"]
    assert password not in refused.value.detail or not password


def test_short_passwords_of_older_accounts_can_be_checked() -> None:
    require_checkable("1234")
