"""Refresh tokens: used once, forgiving of lost replies and races, merciless to copies."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from pymongo.database import Database

from auth_service.sessions.store import SUCCESSORS
from auth_service.settings import AuthSettings
from tests.support.auth_service import AuthService, Reply, Starter

Stored = Database[dict[str, Any]]


async def refreshed(auth: AuthService, refresh_token: str) -> str:
    reply = await auth.refresh(refresh_token)
    assert reply.status == 200, reply.text
    token = reply.body["refresh_token"]
    assert isinstance(token, str)
    return token


def assert_refused(reply: Reply) -> None:
    assert (reply.status, reply.code) == (401, "invalid_credentials")


async def test_refresh_gives_new_tokens_of_the_same_session(auth: AuthService) -> None:
    first = await auth.member("alice@example.com")
    reply = await auth.refresh(first["refresh_token"])
    assert reply.status == 200
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.body.keys() == first.keys()
    assert reply.body["employee"] == first["employee"]
    assert reply.body["refresh_token"] != first["refresh_token"]
    before, after = (
        jwt.decode(body["access_token"], options={"verify_signature": False})
        for body in (first, reply.body)
    )
    assert before["sid"] == after["sid"]
    assert before["jti"] != after["jti"]
    assert (await auth.get("/employees/me", token=reply.body["access_token"])).status == 200


async def test_lost_reply_logs_nobody_out(auth: AuthService) -> None:
    first = (await auth.member("alice@example.com"))["refresh_token"]
    await auth.refresh(first)  # the reply is lost
    await auth.refresh(first)  # and again
    second = await refreshed(auth, first)
    third = await refreshed(auth, second)
    await refreshed(auth, third)


async def test_used_token_revokes_the_session_once_its_successor_was_used(
    auth: AuthService, stored: Stored
) -> None:
    first = (await auth.member("alice@example.com"))["refresh_token"]
    second = await refreshed(auth, first)
    third = await refreshed(auth, second)
    assert_refused(await auth.refresh(first))
    for token in (first, second, third):
        assert_refused(await auth.refresh(token))
    (session,) = stored.sessions.find()
    assert session["revoked_at"] is not None
    assert session["expires_at"] - session["revoked_at"] == timedelta(seconds=660)
    metrics = (await auth.get("/metrics")).text
    assert 'auth_refreshes_total{outcome="reused"} 1.0' in metrics


async def test_revoked_session_leaves_others_of_the_employee_alone(auth: AuthService) -> None:
    stolen = (await auth.member("alice@example.com"))["refresh_token"]
    other = (await auth.log_in("alice@example.com")).body["refresh_token"]
    await refreshed(auth, await refreshed(auth, stolen))
    assert_refused(await auth.refresh(stolen))
    await refreshed(auth, other)


async def test_refreshes_that_race_on_two_replicas_all_succeed(
    auth: AuthService, settings: AuthSettings, start: Starter, stored: Stored
) -> None:
    first = (await auth.member("alice@example.com"))["refresh_token"]
    other = await start(settings)
    replies = await asyncio.gather(
        *(replica.refresh(first) for replica in [auth, other] * (SUCCESSORS // 2))
    )
    assert [reply.status for reply in replies] == [200] * SUCCESSORS
    tokens = {reply.body["refresh_token"] for reply in replies}
    assert len(tokens) == SUCCESSORS
    assert stored.sessions.count_documents({"revoked_at": None}) == 1


@pytest.mark.parametrize("kept", [0, 1])
async def test_after_a_race_whichever_token_was_kept_goes_on(
    auth: AuthService, settings: AuthSettings, start: Starter, kept: int
) -> None:
    first = (await auth.member("alice@example.com"))["refresh_token"]
    other = await start(settings)
    replies = await asyncio.gather(auth.refresh(first), other.refresh(first))
    second = replies[kept].body["refresh_token"]
    third = await refreshed(other, second)
    await refreshed(auth, third)
    assert_refused(await auth.refresh(replies[1 - kept].body["refresh_token"]))


async def test_of_two_holders_of_a_copy_neither_keeps_the_session(auth: AuthService) -> None:
    copied = (await auth.member("alice@example.com"))["refresh_token"]
    owner, thief = await refreshed(auth, copied), await refreshed(auth, copied)
    owner = await refreshed(auth, owner)
    assert_refused(await auth.refresh(thief))
    assert_refused(await auth.refresh(owner))


async def test_knowing_a_session_id_is_not_enough_to_end_it(auth: AuthService) -> None:
    token = (await auth.member("alice@example.com"))["refresh_token"]
    raw = urlsafe_b64decode(token + "==")
    for forged in (raw[:16] + bytes(48), bytes(16) + raw[16:], raw[:-1]):
        assert_refused(await auth.refresh(urlsafe_b64encode(forged).decode().rstrip("=")))
    await refreshed(auth, token)


async def test_noise_is_no_refresh_token(auth: AuthService) -> None:
    for token in ("", "x", "é", "!" * 86, "A" * 86, "A" * 85, "A" * 256, "a.b.c"):
        assert_refused(await auth.refresh(token))


async def test_refresh_token_that_is_no_short_text_is_invalid(auth: AuthService) -> None:
    for token in (None, 1, {"$gt": ""}, ["x"], "A" * 257):
        reply = await auth.request("POST", "/token/refresh", body={"refresh_token": token})
        assert (reply.status, reply.code) == (422, "invalid_input"), token
        assert reply.paths == ["$.refresh_token"], token


async def test_each_use_extends_the_session(auth: AuthService, stored: Stored) -> None:
    token = (await auth.member("alice@example.com"))["refresh_token"]
    soon = datetime.now(UTC) + timedelta(minutes=5)
    stored.sessions.update_many({}, {"$set": {"expires_at": soon}})
    await refreshed(auth, token)
    assert stored.sessions.count_documents({"expires_at": {"$gt": soon + timedelta(days=29)}}) == 1


async def test_session_unused_for_too_long_has_ended(auth: AuthService, stored: Stored) -> None:
    token = (await auth.member("alice@example.com"))["refresh_token"]
    stored.sessions.update_many({}, {"$set": {"expires_at": datetime.now(UTC)}})
    assert_refused(await auth.refresh(token))


async def test_ended_sessions_are_removed_by_the_database(
    auth: AuthService, stored: Stored
) -> None:
    indexes = stored.sessions.index_information()
    assert indexes["expires_at_1"]["expireAfterSeconds"] == 0


async def test_session_of_an_employee_who_is_gone_has_ended(
    auth: AuthService, stored: Stored
) -> None:
    token = (await auth.member("alice@example.com"))["refresh_token"]
    stored.employees.delete_many({})
    assert_refused(await auth.refresh(token))
