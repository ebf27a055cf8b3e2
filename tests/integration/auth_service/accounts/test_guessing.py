"""Guessing passwords: slow for the one who guesses, on all replicas, and for nobody else."""

import asyncio
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import Any

import msgspec
import pytest
from pymongo.database import Database

from auth_service.accounts.throttling import ACCOUNT, ADDRESS, FAILED_REFRESH, REFRESH
from auth_service.settings import AuthSettings
from tests.support.auth_service import PASSWORD, AuthService, Reply, Starter
from tests.support.conditions import until

Stored = Database[dict[str, Any]]
ALICE = "alice@example.com"
STRANGER, OWNER = "203.0.113.66", "198.51.100.1"
FREE = 3


@pytest.fixture
def settings(settings: AuthSettings) -> AuthSettings:
    return msgspec.structs.replace(
        settings,
        rate_limits=True,
        login_failures=FREE,
        sign_ups=2,
        trusted_proxies=("127.0.0.0/8",),
    )


def assert_has_to_wait(reply: Reply) -> None:
    assert (reply.status, reply.code) == (429, "rate_limited")
    assert int(reply.headers["Retry-After"]) >= 1
    assert reply.body["retry_after_ms"] > 0


def pass_time(stored: Stored, seconds: float) -> None:
    """Let what is counted be so much older."""
    ago = round(seconds * 1000)
    moved = {name: {"$subtract": [f"${name}", ago]} for name in ("at", "until", "expires_at")}
    stored.throttles.update_many({"until": {"$exists": True}}, [{"$set": moved}])


async def guesses(auth: AuthService, count: int, address: str = STRANGER) -> list[int]:
    replies = [await auth.log_in(ALICE, f"a guess {n}", address=address) for n in range(count)]
    return [reply.status for reply in replies]


async def test_after_some_wrong_passwords_each_has_to_wait_twice_as_long(
    auth: AuthService, stored: Stored
) -> None:
    await auth.sign_up(ALICE)
    assert await guesses(auth, FREE + 1) == [401] * (FREE + 1)
    for delay in (1, 2, 4, 8):
        reply = await auth.log_in(ALICE, "a guess", address=STRANGER)
        assert_has_to_wait(reply)
        assert delay - 1 < reply.body["retry_after_ms"] / 1000 <= delay
        pass_time(stored, delay)
        assert await guesses(auth, 1) == [401]


async def test_even_the_right_password_has_to_wait_for_who_guessed(auth: AuthService) -> None:
    await auth.sign_up(ALICE)
    await guesses(auth, FREE + 1)
    assert_has_to_wait(await auth.log_in(ALICE, PASSWORD, address=STRANGER))


async def test_a_right_password_makes_up_for_the_wrong_ones(auth: AuthService) -> None:
    await auth.sign_up(ALICE)
    for _ in range(3):
        await guesses(auth, FREE)
        assert (await auth.log_in(ALICE, PASSWORD, address=STRANGER)).status == 200


async def test_an_account_that_does_not_exist_is_no_different(auth: AuthService) -> None:
    await auth.sign_up(ALICE)
    for email in (ALICE, "nobody@example.com"):
        replies = [await auth.log_in(email, "a guess", address=STRANGER) for _ in range(FREE + 2)]
        assert [reply.status for reply in replies] == [401] * (FREE + 1) + [429], email
    bodies = {reply.body["detail"] for reply in auth.sent if reply.status == 401}
    assert len(bodies) == 1


async def test_replicas_count_together_also_guesses_at_once(
    auth: AuthService, settings: AuthSettings, start: Starter
) -> None:
    await auth.sign_up(ALICE)
    replicas = [auth, await start(settings)] * 20
    replies = await asyncio.gather(
        *(replica.log_in(ALICE, "a guess", address=STRANGER) for replica in replicas)
    )
    assert sorted(reply.status for reply in replies) == [401] * (FREE + 1) + [429] * 36
    assert (await auth.log_in(ALICE, PASSWORD, address=OWNER)).status == 200


async def test_guesses_from_many_addresses_do_not_lock_out_who_was_there_before(
    auth: AuthService,
) -> None:
    await auth.sign_up(ALICE)
    assert (await auth.log_in(ALICE, PASSWORD, address=OWNER)).status == 200
    tried = [(await guesses(auth, 1, f"203.0.113.{n}"))[0] for n in range(ACCOUNT.free + 10)]
    assert tried == [401] * (ACCOUNT.free + 1) + [429] * 9
    assert (await auth.log_in(ALICE, PASSWORD, address=OWNER)).status == 200
    assert_has_to_wait(await auth.log_in(ALICE, PASSWORD, address="192.0.2.1"))


async def test_one_address_cannot_try_many_accounts(auth: AuthService, stored: Stored) -> None:
    for n in range(ADDRESS.free + 1):
        reply = await auth.log_in(f"person{n}@example.com", "a guess", address=STRANGER)
        assert reply.status == 401
    assert_has_to_wait(await auth.log_in("one@more.org", "a guess", address=STRANGER))
    assert (await auth.log_in("one@more.org", "a guess", address=OWNER)).status == 401
    pass_time(stored, ADDRESS.forgiven * ADDRESS.free)
    assert (await auth.log_in("one@more.org", "a guess", address=STRANGER)).status == 401


async def test_an_ipv6_customer_has_one_address(auth: AuthService) -> None:
    await auth.sign_up(ALICE)
    tried = [(await guesses(auth, 1, f"2003:a:b:c{n:x}::1"))[0] for n in range(FREE + 3)]
    assert tried == [401] * (FREE + 1) + [429] * 2


async def test_a_client_cannot_choose_its_address(
    settings: AuthSettings, start: Starter, stored: Stored
) -> None:
    auth = await start(msgspec.structs.replace(settings, trusted_proxies=()))
    tried = [(await guesses(auth, 1, f"203.0.113.{n}"))[0] for n in range(FREE + 3)]
    assert tried == [401] * (FREE + 1) + [429] * 2


async def test_a_password_that_could_not_be_checked_does_not_count(
    auth: AuthService, settings: AuthSettings, start: Starter
) -> None:
    token = (await auth.member(ALICE))["access_token"]
    slow = msgspec.structs.replace(settings, bcrypt_cost=14, bcrypt_workers=1, bcrypt_queue=1)
    busy = await start(slow)
    strangers = asyncio.gather(
        *(busy.log_in("nobody@example.com", "a guess", address=STRANGER) for _ in range(2))
    )

    async def is_full() -> bool:
        return "auth_bcrypt_pending 2.0" in (await busy.get("/metrics")).text

    await until(is_full)
    change = {"current_password": PASSWORD, "new_password": "a fine new one"}
    for _ in range(FREE + 2):
        reply = await busy.log_in(ALICE, address=OWNER)
        assert (reply.status, reply.code) == (503, "unavailable")
        reply = await busy.request("PUT", "/employees/me/password", body=change, token=token)
        assert (reply.status, reply.code) == (503, "unavailable")
    storm = await asyncio.gather(*(busy.log_in(ALICE, address=OWNER) for _ in range(30)))
    # One may find the worker free again, and is let in.
    assert {reply.status for reply in storm} <= {200, 429, 503}

    async def is_let_in() -> bool:
        return (await auth.log_in(ALICE, address=OWNER)).status == 200

    await until(is_let_in)  # a moment of the storm may be left, but nothing that grew in it
    assert [reply.status for reply in await strangers] == [401, 401]


async def test_right_logins_in_a_storm_are_all_forgiven(
    settings: AuthSettings, start: Starter, stored: Stored
) -> None:
    auth = await start(
        msgspec.structs.replace(settings, bcrypt_cost=10, bcrypt_workers=1, bcrypt_queue=1)
    )
    await auth.sign_up(ALICE)
    storm = await asyncio.gather(*(auth.log_in(ALICE, address=OWNER) for _ in range(30)))
    assert {reply.status for reply in storm} <= {200, 429, 503}
    assert (await auth.log_in(ALICE, address=OWNER)).status == 200
    counted = stored.throttles.find({"strikes": {"$gt": 0}})
    assert len(list(counted)) == 1  # the sign-up


async def test_an_attempt_that_one_limit_refuses_counts_in_no_other(
    auth: AuthService, stored: Stored
) -> None:
    for n in range(ACCOUNT.free + 1):
        await guesses(auth, 1, f"203.0.113.{n}")
    # The delay must not end while the attempts below are made, however long they take.
    stored.throttles.update_many({}, {"$set": {"until": datetime.now(UTC) + timedelta(hours=1)}})
    refused = [await auth.log_in(ALICE, "a guess", address=OWNER) for _ in range(ADDRESS.free + 2)]
    assert {reply.status for reply in refused} == {429}
    assert (await auth.log_in("bob@example.com", "a guess", address=OWNER)).status == 401


async def test_the_present_password_cannot_be_guessed_with_a_stolen_token(
    auth: AuthService,
) -> None:
    token = (await auth.member(ALICE))["access_token"]
    body = {"current_password": "a guess", "new_password": "a fine new one"}
    for _ in range(FREE + 1):
        reply = await auth.request("PUT", "/employees/me/password", body=body, token=token)
        assert reply.status == 401
    body["current_password"] = PASSWORD
    reply = await auth.request("PUT", "/employees/me/password", body=body, token=token)
    assert_has_to_wait(reply)


async def test_sign_ups_of_one_address_are_limited(auth: AuthService, stored: Stored) -> None:
    for n in range(3):
        assert (await auth.sign_up(f"person{n}@example.com")).status == 201
    assert_has_to_wait(await auth.sign_up("one@more.org"))
    assert stored.employees.count_documents({}) == 3


async def test_refreshes_of_a_session_and_bad_tokens_of_an_address_are_limited(
    auth: AuthService,
) -> None:
    grant = await auth.member(ALICE)
    token = grant["refresh_token"]
    for _ in range(REFRESH.free + 1):
        token = (await auth.refresh(token)).body["refresh_token"]
    assert_has_to_wait(await auth.refresh(token))
    replies = [await auth.refresh(token_urlsafe(64)) for _ in range(FAILED_REFRESH.free + 20)]
    assert {reply.status for reply in replies[: FAILED_REFRESH.free + 1]} == {401}
    assert 429 in {reply.status for reply in replies}


async def test_nobodys_address_is_stored_with_what_is_counted(
    auth: AuthService, stored: Stored
) -> None:
    await auth.sign_up(ALICE)
    await guesses(auth, 2)
    await auth.log_in(ALICE, PASSWORD, address=OWNER)
    rows = list(stored.throttles.find())
    assert len(rows) >= 4
    assert all(row["expires_at"] > datetime.now(UTC) - timedelta(seconds=5) for row in rows)
    for secret in ("alice", STRANGER, OWNER):
        assert secret not in str(rows)


async def test_attempts_that_had_to_wait_are_counted(auth: AuthService) -> None:
    await guesses(auth, FREE + 3)
    metrics = (await auth.get("/metrics")).text
    assert 'auth_throttled_total{what="password"} 2.0' in metrics
