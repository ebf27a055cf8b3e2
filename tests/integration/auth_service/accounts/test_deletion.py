"""Deleting an account: nothing of it is left, however often and wherever it is interrupted."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.database import Database

from auth_service.settings import AuthSettings
from tests.support.auth_service import PASSWORD, AuthService, Reply, Starter
from tests.support.conditions import until

Stored = Database[dict[str, Any]]
ALICE = "alice@example.com"


async def delete(auth: AuthService, token: str, password: object = PASSWORD) -> Reply:
    return await auth.request("DELETE", "/employees/me", body={"password": password}, token=token)


def left(stored: Stored) -> str:
    """All that the database has, as text."""
    return str([list(stored[name].find()) for name in stored.list_collection_names()])


async def test_deleted_employee_is_gone_on_every_replica(
    auth: AuthService, settings: AuthSettings, start: Starter, stored: Stored
) -> None:
    replica = await start(settings)
    bob = (await auth.member("bob@example.com"))["access_token"]
    alice = await auth.member(ALICE)
    other = (await replica.log_in(ALICE)).body
    assert (await delete(auth, alice["access_token"])).status == 204
    for grant in (alice, other):
        assert (await replica.get("/employees/me", token=grant["access_token"])).status == 401
        assert (await replica.refresh(grant["refresh_token"])).status == 401
    assert (await replica.log_in(ALICE)).status == 401
    assert (await replica.get(f"/employees/{ALICE}", token=bob)).status == 404
    page = (await replica.get("/employees", token=bob)).body["employees"]
    assert [one["email"] for one in page] == ["bob@example.com"]
    revoked = (await replica.get("/.well-known/revoked-sessions")).body["sessions"]
    assert len(revoked) == 2

    async def forgotten() -> bool:
        return ALICE not in left(stored) and "Alice Jones" not in str(
            list(stored.departures.find())
        )

    await until(forgotten)


async def test_address_of_somebody_who_is_gone_is_not_given_out_again(auth: AuthService) -> None:
    alice = await auth.member(ALICE)
    await delete(auth, alice["access_token"])
    reply = await auth.sign_up("Alice@Example.com")
    assert (reply.status, reply.code) == (409, "email_taken")


async def test_deletion_needs_the_password(auth: AuthService, stored: Stored) -> None:
    token = (await auth.member(ALICE))["access_token"]
    for wrong in ("wrong password", ""):
        reply = await delete(auth, token, wrong)
        assert (reply.status, reply.code) == (401, "invalid_credentials")
    for nonsense in (None, 1, {"$gt": ""}, "x" * 73, "\x00"):
        assert (await delete(auth, token, nonsense)).status == 422, nonsense
    assert (await auth.request("DELETE", "/employees/me", token=token)).status in (400, 415)
    assert (await auth.get("/employees/me", token=token)).status == 200


async def test_deletion_can_be_asked_for_again_after_it_failed_half_way(
    auth: AuthService, stored: Stored
) -> None:
    token = (await auth.member(ALICE))["access_token"]
    stored.employees.update_one({}, {"$set": {"leaving": datetime.now(UTC)}})
    assert (await auth.get("/employees/me", token=token)).status in (401, 404)
    assert (await delete(auth, token)).status in (204, 401)  # 401: somebody finished it already
    assert stored.employees.count_documents({}) == 0


@pytest.mark.parametrize("step", ["noted", "sessions ended", "departure noted"])
async def test_deletion_that_crashed_is_finished_at_the_next_start(
    auth: AuthService, settings: AuthSettings, start: Starter, stored: Stored, step: str
) -> None:
    grant = await auth.member(ALICE)
    now = datetime.now(UTC)
    employee = stored.employees.find_one()
    assert employee is not None
    if step != "noted":
        stored.sessions.update_many({}, {"$set": {"revoked_at": now, "announced": False}})
    if step == "departure noted":
        stored.departures.insert_one(
            {
                "employee": str(employee["_id"]),
                "email": ALICE,
                "deleted_at": now,
                "announced": False,
            }
        )
    stored.employees.update_one({}, {"$set": {"leaving": now}})
    replica = await start(settings)

    async def gone() -> bool:
        return stored.employees.count_documents({}) == 0

    await until(gone)
    assert stored.sessions.count_documents({"revoked_at": None}) == 0
    assert (await replica.refresh(grant["refresh_token"])).status == 401
    assert (await replica.sign_up(ALICE)).code == "email_taken"


async def test_nobody_logs_in_while_an_account_goes(auth: AuthService, stored: Stored) -> None:
    await auth.member(ALICE)
    stored.employees.update_one({}, {"$set": {"leaving": datetime.now(UTC)}})
    assert (await auth.log_in(ALICE)).status == 401
    assert (await auth.sign_up(ALICE)).code == "email_taken"
