"""Promise 5: with MongoDB down nothing is acknowledged, and the service heals by itself."""

import asyncio
from typing import Any

import msgspec
import pytest
from pymongo.database import Database

from auth_service.settings import AuthSettings
from deploy.local.backing.mongodb import MongoServer
from deploy.local.process.ports import free_port
from tests.support.auth_service import AuthService, Reply, Starter

Stored = Database[dict[str, Any]]


def assert_unavailable(reply: Reply) -> None:
    assert (reply.status, reply.code) == (503, "unavailable")
    assert int(reply.headers["Retry-After"]) >= 1
    assert reply.body["retry_after_ms"] >= 1


async def test_service_without_its_database_listens_and_says_what_is_missing(
    settings: AuthSettings, start: Starter
) -> None:
    nowhere = f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0"
    auth = await start(msgspec.structs.replace(settings, mongo_url=nowhere), ready=False)
    assert (await auth.get("/healthz")).status == 200
    ready = await auth.get("/readyz")
    assert (ready.status, ready.body["status"]) == (503, "waiting")
    assert ready.body["failing"].keys() == {"mongodb"}
    assert (await auth.get("/.well-known/jwks.json")).status == 200
    assert_unavailable(await auth.sign_up("alice@example.com"))
    assert_unavailable(await auth.log_in("alice@example.com"))
    assert_unavailable(await auth.refresh("A" * 86))


async def test_service_heals_when_its_database_comes_back(
    mongo_server: MongoServer, auth: AuthService, stored: Stored
) -> None:
    alice = await auth.member("alice@example.com")
    mongo_server.kill()
    looked_up, signed_up, ready = await asyncio.gather(
        auth.get("/employees/me", token=alice["access_token"]),
        auth.sign_up("bob@example.com"),
        auth.get("/readyz"),
    )
    assert_unavailable(looked_up)
    assert_unavailable(signed_up)
    assert (ready.status, ready.body["status"]) == (503, "waiting")
    mongo_server.start()
    await auth.ready()
    assert (await auth.sign_up("bob@example.com")).status == 201
    assert (await auth.get("/employees/me", token=alice["access_token"])).status == 200
    assert (await auth.refresh(alice["refresh_token"])).status == 200
    assert stored.employees.count_documents({}) == 2


@pytest.mark.parametrize("email", ["alice@example.com", "ALICE@example.com"])
async def test_accounts_of_before_that_share_an_address_stop_nobody_else(
    settings: AuthSettings, start: Starter, stored: Stored, email: str
) -> None:
    stored.employees.insert_many(
        [{"name": "A", "email": "Alice@example.com"}, {"name": "B", "email": email}]
    )
    auth = await start(settings)
    assert (await auth.sign_up("bob@example.com")).status == 201
    assert (await auth.sign_up("alice@example.com")).code == "email_taken"
    assert stored.employees.count_documents({}) == 3
