"""The store on a real MongoDB: each change has one cause, and leases expire."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from uuid import uuid4

import pytest

from chat_service.presence.store import PresenceStore
from shared.mongo import Database, Mongo
from tests.support.conditions import until

LONG = 60.0
SHORT = 0.05


@pytest.fixture
async def database(mongo_url: str) -> AsyncIterator[Database]:
    mongo = Mongo(mongo_url, f"presence_{uuid4().hex[:12]}", PresenceStore.prepare)
    await mongo.run()
    yield mongo.ready_database()
    await mongo.client.drop_database(mongo.database.name)
    mongo.close()


@pytest.fixture
def store(database: Database) -> PresenceStore:
    return PresenceStore(lambda: database)


async def status(store: PresenceStore, employee: str) -> str:
    return (await store.of([employee]))[0].status


async def changed(store: PresenceStore, token: str, *employees: str) -> list[str]:
    return [change.employee for change in await store.changes(token, employees, 10)]


async def until_over(store: PresenceStore, boot: str) -> None:
    async def is_over() -> bool:
        return any(ended.id == boot for ended in await store.ended())

    await until(is_over)


async def test_who_was_never_connected_is_offline_and_was_never_seen(store: PresenceStore) -> None:
    await store.arrived("boot", ["ann"], "1")
    nobody, ann = await store.of(["nobody", "ann"])
    assert (nobody.employee, nobody.status, nobody.last_seen) == ("nobody", "offline", None)
    assert (ann.employee, ann.status) == ("ann", "online")


async def test_only_the_first_arrival_and_the_last_departure_are_changes(
    store: PresenceStore,
) -> None:
    await store.arrived("one", ["ann"], "first")
    assert await changed(store, "first", "ann") == ["ann"]
    await store.arrived("two", ["ann"], "second")
    assert await changed(store, "second", "ann") == []
    await store.departed("one", {"ann": 0}, "third")
    assert await changed(store, "third", "ann") == []
    assert await status(store, "ann") == "online"
    await store.departed("two", {"ann": 0}, "fourth")
    assert await changed(store, "fourth", "ann") == ["ann"]
    assert await status(store, "ann") == "offline"


async def test_a_change_that_another_one_followed_is_no_news(store: PresenceStore) -> None:
    await store.arrived("one", ["ann"], "first")
    await store.departed("one", {"ann": 0}, "second")
    assert await changed(store, "first", "ann") == []
    assert await changed(store, "second", "ann") == ["ann"]


async def test_arriving_and_departing_again_changes_nothing(store: PresenceStore) -> None:
    await store.arrived("one", ["ann"], "first")
    await store.arrived("one", ["ann"], "again")
    assert await changed(store, "first", "ann") == ["ann"]
    await store.departed("one", {"ann": 0}, "second")
    before = await store.of(["ann"])
    await store.departed("one", {"ann": 0}, "again")
    assert await changed(store, "second", "ann") == ["ann"]
    assert await store.of(["ann"]) == before


async def test_last_seen_is_when_one_left_and_never_decreases(store: PresenceStore) -> None:
    await store.arrived("one", ["ann", "bob"], "1")
    came = (await store.of(["ann"]))[0].last_seen
    assert came is not None
    assert abs(came - datetime.now(UTC)) < timedelta(seconds=5)

    async def some_time_has_passed() -> bool:
        return datetime.now(UTC) - came > timedelta(seconds=0.2)

    await until(some_time_has_passed)
    await store.departed("one", {"ann": 0.1, "bob": 3600.0}, "2")
    ann, bob = await store.of(["ann", "bob"])
    assert ann.last_seen is not None
    assert came < ann.last_seen
    assert bob.last_seen == came


async def test_a_lease_that_is_over_cannot_be_renewed(store: PresenceStore) -> None:
    await store.begin("long", "chat-1", LONG)
    await store.begin("short", "chat-2", SHORT)
    assert await store.renew("long", LONG)
    await until_over(store, "short")
    assert not await store.renew("short", LONG)
    assert [boot.id for boot in await store.ended()] == ["short"]
    await store.forget("short")
    assert await store.ended() == []
    assert not await store.renew("short", LONG)


async def test_what_a_process_writes_after_its_end_is_found(store: PresenceStore) -> None:
    await store.begin("long", "chat-1", LONG)
    await store.arrived("long", ["ann"], "1")
    await store.arrived("gone", ["bob"], "2")
    (ended,) = await store.ended()
    assert (ended.id, ended.ago) == ("gone", None)
    seen = (await store.of(["bob"]))[0].last_seen
    await store.departed("gone", dict.fromkeys(await store.at("gone"), ended.ago), "3")
    (bob,) = await store.of(["bob"])
    assert (bob.status, bob.last_seen) == ("offline", seen)
    assert await store.ended() == []


async def test_taking_over_changes_nobodys_status(store: PresenceStore) -> None:
    await store.begin("old", "chat-1", LONG)
    await store.begin("other", "chat-2", LONG)
    await store.arrived("old", ["ann", "bob"], "1")
    await store.arrived("other", ["bob", "cid"], "2")
    before = await store.of(["ann", "bob", "cid"])
    await store.begin("new", "chat-1", LONG)
    assert {boot.id for boot in await store.former("chat-1")} == {"old", "new"}
    await store.take_over(["old"], "new")
    assert await store.of(["ann", "bob", "cid"]) == before
    assert sorted(await store.at("new")) == ["ann", "bob"]
    assert sorted(await store.at("other")) == ["bob", "cid"]
    assert await store.at("old") == []
    assert [boot.id for boot in await store.former("chat-1")] == ["new"]


async def test_a_change_names_the_partners_of_the_most_recent_conversations(
    store: PresenceStore, database: Database
) -> None:
    now = datetime.now(UTC)
    await database["convos"].insert_many(
        {
            "participants": sorted(["ann", f"{side} {number}"]),
            "updated_at": now - timedelta(minutes=number),
        }
        for number in range(5)
        for side in ("a", "z")
    )
    await store.arrived("one", ["ann", "bob"], "1")
    changes = {change.employee: change for change in await store.changes("1", ["ann", "bob"], 4)}
    assert sorted(changes["ann"].partners) == ["a 0", "a 1", "z 0", "z 1"]
    assert changes["bob"].partners == ()


async def test_many_instances_in_the_same_moment_leave_one_cause(store: PresenceStore) -> None:
    employees = [f"employee {number}" for number in range(50)]
    boots = [f"boot {number}" for number in range(8)]
    await asyncio.gather(*(store.arrived(boot, employees, f"+{boot}") for boot in boots))
    came = [await changed(store, f"+{boot}", *employees) for boot in boots]
    assert sorted(chain(*came)) == sorted(employees)
    gone = dict.fromkeys(employees, 0.0)
    await asyncio.gather(*(store.departed(boot, gone, f"-{boot}") for boot in boots))
    left = [await changed(store, f"-{boot}", *employees) for boot in boots]
    assert sorted(chain(*left)) == sorted(employees)
    assert {one.status for one in await store.of(employees)} == {"offline"}
