"""Sessions as their employee sees them: listed, ended, and refused on every replica afterwards."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
import jwt
import msgspec
from pymongo.database import Database

from auth_service.sessions.store import MOST_OPEN
from auth_service.settings import AuthSettings
from chat_service.accounts.feed import AuthFeed
from shared.auth_events import MOST_REVOKED, DeletedEmployee, RevokedSession
from tests.support.auth_service import PASSWORD, AuthService, Reply, Starter
from tests.support.conditions import until

Stored = Database[dict[str, Any]]
ALICE = "alice@example.com"


def sid_of(grant: dict[str, Any]) -> str:
    claims = jwt.decode(grant["access_token"], options={"verify_signature": False})
    return str(claims["sid"])


async def logged_in(auth: AuthService, device: str = "") -> Any:
    reply = await auth.request(
        "POST",
        "/login",
        body={"email": ALICE, "password": PASSWORD},
        headers={"User-Agent": device},
    )
    assert reply.status == 200
    return reply.body


async def assert_ended(auth: AuthService, grant: dict[str, Any]) -> None:
    reply = await auth.get("/employees/me", token=grant["access_token"])
    assert (reply.status, reply.code) == (401, "unauthorized")
    assert (await auth.refresh(grant["refresh_token"])).status == 401


async def assert_open(auth: AuthService, grant: dict[str, Any]) -> None:
    assert (await auth.get("/employees/me", token=grant["access_token"])).status == 200


async def post(auth: AuthService, path: str, grant: dict[str, Any]) -> Reply:
    return await auth.request("POST", path, token=grant["access_token"])


async def end(auth: AuthService, grant: dict[str, Any], sid: str) -> Reply:
    path = f"/sessions/{quote(sid, safe='')}"
    return await auth.request("DELETE", path, token=grant["access_token"])


async def test_sessions_are_listed_with_their_devices(auth: AuthService) -> None:
    await auth.sign_up(ALICE)
    phone = await logged_in(auth, "phone")
    laptop = await logged_in(auth, "laptop")
    await auth.refresh(phone["refresh_token"])
    reply = await auth.get("/sessions", token=laptop["access_token"])
    assert reply.status == 200
    first, second = reply.body["sessions"]
    assert (first["id"], first["user_agent"], first["current"]) == (sid_of(phone), "phone", False)
    assert (second["id"], second["user_agent"], second["current"]) == (
        sid_of(laptop),
        "laptop",
        True,
    )
    assert first["address"] == "127.0.0.1"
    assert first["created_at"] < first["last_used_at"] < first["expires_at"]


async def test_logout_ends_this_session_on_every_replica_at_once(
    auth: AuthService, settings: AuthSettings, start: Starter
) -> None:
    replica = await start(settings)
    await auth.sign_up(ALICE)
    phone, laptop = await logged_in(auth), await logged_in(replica)
    await assert_open(replica, phone)
    assert (await post(auth, "/logout", phone)).status == 204
    await assert_ended(replica, phone)
    await assert_open(replica, laptop)
    assert (await post(auth, "/logout", phone)).status == 401


async def test_logout_of_all_ends_every_session_and_nobody_elses(auth: AuthService) -> None:
    await auth.sign_up(ALICE)
    bob = await auth.member("bob@example.com")
    phone, laptop = await logged_in(auth), await logged_in(auth)
    assert (await post(auth, "/logout/all", phone)).status == 204
    await assert_ended(auth, phone)
    await assert_ended(auth, laptop)
    await assert_open(auth, bob)
    await assert_open(auth, await logged_in(auth))


async def test_one_session_is_ended_from_another(auth: AuthService) -> None:
    await auth.sign_up(ALICE)
    phone, laptop = await logged_in(auth), await logged_in(auth)
    assert (await end(auth, laptop, sid_of(phone))).status == 204
    await assert_ended(auth, phone)
    await assert_open(auth, laptop)
    assert (await end(auth, laptop, sid_of(phone))).code == "unknown_session"


async def test_a_session_of_somebody_else_cannot_be_ended(auth: AuthService) -> None:
    alice, bob = await auth.member(ALICE), await auth.member("bob@example.com")
    for sid in (sid_of(bob), "0" * 32, "x", "$ne", "[$gt]"):
        reply = await end(auth, alice, sid)
        assert (reply.status, reply.code) == (404, "unknown_session"), sid
    await assert_open(auth, bob)


async def test_strangers_end_nothing(auth: AuthService) -> None:
    for method, path in (
        ("POST", "/logout"),
        ("POST", "/logout/all"),
        ("GET", "/sessions"),
        ("DELETE", f"/sessions/{'0' * 32}"),
    ):
        reply = await auth.request(method, path)
        assert (reply.status, reply.code) == (401, "unauthorized"), path


async def test_however_often_it_is_used_a_session_ends_after_its_longest_life(
    settings: AuthSettings, start: Starter, stored: Stored
) -> None:
    auth = await start(msgspec.structs.replace(settings, session_days=3))
    grant = await auth.member(ALICE)
    (session,) = stored.sessions.find()
    assert session["expires_at"] == session["created_at"] + timedelta(days=3)
    yesterday = datetime.now(UTC) - timedelta(days=2)
    stored.sessions.update_many({}, {"$set": {"created_at": yesterday}})
    assert (await auth.refresh(grant["refresh_token"])).status == 200
    (session,) = stored.sessions.find()
    assert abs(session["expires_at"] - yesterday - timedelta(days=3)) < timedelta(seconds=1)


async def test_revoked_sessions_are_published_in_their_order(auth: AuthService) -> None:
    await auth.sign_up(ALICE)
    grants = [await logged_in(auth) for _ in range(3)]
    assert (await auth.get("/.well-known/revoked-sessions")).body == {"sessions": []}
    for grant in grants[:2]:
        await post(auth, "/logout", grant)
    revoked = (await auth.get("/.well-known/revoked-sessions")).body["sessions"]
    assert [session["sid"] for session in revoked] == [sid_of(grant) for grant in grants[:2]]
    assert revoked[0]["revoked_at"] < revoked[1]["revoked_at"] < revoked[0]["until"]
    since = quote(revoked[1]["revoked_at"])
    later = (await auth.get(f"/.well-known/revoked-sessions?since={since}")).body["sessions"]
    assert later == revoked[1:]


def revoked_at(when: datetime, count: int) -> list[dict[str, Any]]:
    """So many sessions that were all revoked then."""
    return [
        {
            "_id": f"{when:%f}-{number}",
            "revoked_at": when,
            "expires_at": when + timedelta(minutes=10),
            "announced": True,
        }
        for number in range(count)
    ]


async def test_more_sessions_than_a_page_revoked_at_one_time_are_all_heard_of(
    auth: AuthService, stored: Stored
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    for milliseconds, count in ((1, 3), (2, MOST_REVOKED + 1), (3, 2), (4, MOST_REVOKED), (5, 1)):
        then = now + timedelta(milliseconds=milliseconds)
        stored.sessions.insert_many(revoked_at(then, count))
    heard: set[str] = set()

    def take(sessions: Iterable[RevokedSession]) -> None:
        heard.update(session.sid for session in sessions)

    async def nobody(_: DeletedEmployee) -> None: ...

    async with aiohttp.ClientSession() as http:
        feed = AuthFeed(http, auth.url, None, "chat", "chat", take, nobody)
        asking = asyncio.create_task(feed.run())
        try:
            await until(lambda: has_caught_up(feed))
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking
    assert heard == {session["_id"] for session in stored.sessions.find()}


async def has_caught_up(feed: AuthFeed) -> bool:
    return await feed.check() is None


async def test_a_login_too_many_ends_the_session_that_was_not_used_for_longest(
    auth: AuthService, stored: Stored
) -> None:
    bob = await auth.member("bob@example.com")
    await auth.sign_up(ALICE)
    first, second = await logged_in(auth), await logged_in(auth)
    for _ in range(MOST_OPEN - 2):
        await logged_in(auth)
    first |= (await auth.refresh(first["refresh_token"])).body
    await assert_open(auth, second)
    last = await logged_in(auth)
    await assert_ended(auth, second)
    await assert_open(auth, first)
    await assert_open(auth, last)
    await assert_open(auth, bob)
    assert stored.sessions.count_documents({"revoked_at": None}) == MOST_OPEN + 1
    (ended,) = stored.sessions.find({"reason": "too many sessions"})
    assert ended["announced"] is False


async def test_many_logins_at_once_leave_no_more_sessions_than_there_may_be(
    auth: AuthService, stored: Stored
) -> None:
    await auth.sign_up(ALICE)
    (employee,) = stored.employees.find()
    later = datetime.now(UTC) + timedelta(hours=1)
    stored.sessions.insert_many(
        {"_id": str(n), "employee": employee["_id"], "revoked_at": None, "expires_at": later}
        | {"last_used_at": later - timedelta(days=1, seconds=n)}
        for n in range(3 * MOST_OPEN)
    )
    grants = await asyncio.gather(*(logged_in(auth) for _ in range(10)))
    assert stored.sessions.count_documents({"revoked_at": None}) == MOST_OPEN
    for grant in grants:
        await assert_open(auth, grant)


async def test_a_time_without_its_zone_is_none(auth: AuthService) -> None:
    for since in ("2026-01-01T00:00:00", "yesterday", "", '{"$gt":""}'):
        reply = await auth.get(f"/.well-known/revoked-sessions?since={quote(since)}")
        assert (reply.status, reply.paths) == (422, ["$.since"]), since


async def test_a_session_is_revoked_once_and_remembered_while_its_tokens_live(
    auth: AuthService, stored: Stored
) -> None:
    grant = await auth.member(ALICE)
    await post(auth, "/logout", grant)
    (session,) = stored.sessions.find()
    assert session["reason"] == "logout"
    assert session["expires_at"] - session["revoked_at"] == timedelta(seconds=660)
    plan = stored.command(
        "explain", {"find": "sessions", "filter": {"announced": False}}, verbosity="queryPlanner"
    )
    assert "IXSCAN" in str(plan["queryPlanner"]["winningPlan"])
