"""Choosing and changing a password: what is refused, and whom a change logs out."""

import asyncio
from typing import Any

import pytest
from pymongo.database import Database

from auth_service.settings import AuthSettings
from tests.support.auth_service import PASSWORD, AuthService, Reply, Starter
from tests.support.conditions import until

Stored = Database[dict[str, Any]]
ALICE = "alice.jones@example.com"
NEW = "another fine horse"


async def change(
    auth: AuthService, token: str, new: object = NEW, current: object = PASSWORD
) -> Reply:
    body = {"current_password": current, "new_password": new}
    return await auth.request("PUT", "/employees/me/password", body=body, token=token)


GUESSABLE = [
    "password",
    "PASSWORD1",
    "qwerty123",
    "iloveyou",
    "1q2w3e4r5t",
    ALICE,
    f"my-{ALICE.upper()}!",
    "alice.jones",
    "alice.jones2026",
]


@pytest.mark.parametrize("password", GUESSABLE)
async def test_password_that_is_guessed_first_is_refused(
    auth: AuthService, stored: Stored, password: str
) -> None:
    reply = await auth.sign_up(ALICE, password=password)
    assert (reply.status, reply.code, reply.paths) == (422, "invalid_input", ["$.password"])
    assert stored.employees.count_documents({}) == 0


async def test_short_local_part_may_be_in_a_password(auth: AuthService) -> None:
    assert (await auth.sign_up("ann@b.org", password="annual report")).status == 201


async def test_changed_password_is_the_only_one(auth: AuthService) -> None:
    token = (await auth.member(ALICE))["access_token"]
    assert (await change(auth, token)).status == 204
    assert (await auth.log_in(ALICE, PASSWORD)).status == 401
    assert (await auth.log_in(ALICE, NEW)).status == 200


async def test_change_ends_all_other_sessions_on_every_replica(
    auth: AuthService, settings: AuthSettings, start: Starter, stored: Stored
) -> None:
    replica = await start(settings)
    here = await auth.member(ALICE)
    there = (await replica.log_in(ALICE)).body
    assert (await change(auth, here["access_token"])).status == 204
    assert (await replica.get("/employees/me", token=there["access_token"])).status == 401
    assert (await replica.refresh(there["refresh_token"])).status == 401
    assert (await replica.refresh(here["refresh_token"])).status == 200
    assert stored.employees.count_documents({"keep_session": {"$exists": True}}) == 0


async def test_wrong_present_password_changes_nothing(auth: AuthService, stored: Stored) -> None:
    alice = await auth.member(ALICE)
    before = stored.employees.find_one()
    for wrong in ("wrong password", ""):
        reply = await change(auth, alice["access_token"], current=wrong)
        assert (reply.status, reply.code) == (401, "invalid_credentials")
    assert stored.employees.find_one() == before


async def test_every_invalid_new_password_is_refused(auth: AuthService, stored: Stored) -> None:
    token = (await auth.member(ALICE))["access_token"]
    before = stored.employees.find_one()
    for new in ("short", "x" * 73, "12345678\x00", "password", ALICE, None, {"$gt": ""}, 12345678):
        reply = await change(auth, token, new)
        assert (reply.status, reply.paths) == (422, ["$.new_password"]), new
    for current in ("x" * 73, None, {"$gt": ""}, ["x"]):
        reply = await change(auth, token, current=current)
        assert (reply.status, reply.paths) == (422, ["$.current_password"]), current
    assert stored.employees.find_one() == before


async def test_of_changes_at_once_one_succeeds(
    auth: AuthService, settings: AuthSettings, start: Starter
) -> None:
    replica = await start(settings)
    token = (await auth.member(ALICE))["access_token"]
    replies = await asyncio.gather(
        change(auth, token, "a first password"), change(replica, token, "a second password")
    )
    assert sorted(reply.status for reply in replies) == [204, 401]


async def test_sessions_that_a_crash_left_open_end_at_the_next_start(
    auth: AuthService, settings: AuthSettings, start: Starter, stored: Stored
) -> None:
    kept, other = await auth.member(ALICE), (await auth.log_in(ALICE)).body
    (sid,) = (
        session["id"]
        for session in (await auth.get("/sessions", token=kept["access_token"])).body["sessions"]
        if session["current"]
    )
    stored.employees.update_one({}, {"$set": {"keep_session": sid}})  # and then it crashed
    replica = await start(settings)

    async def ended() -> bool:
        return (await replica.get("/employees/me", token=other["access_token"])).status == 401

    await until(ended)
    assert (await replica.get("/employees/me", token=kept["access_token"])).status == 200
