"""What an instance wrote and told nobody of, another one tells of, on a real MongoDB."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from chat_service.log import lease_store
from chat_service.log.conversation import Conversation, between
from chat_service.log.entries import Announcement, Entry
from chat_service.log.lease import LogLease
from chat_service.log.lease_store import LeaseStore
from chat_service.log.store import EntryStore
from shared.mongo import Database, Mongo
from tests.support.conditions import until

ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@example.org"
PAIRS = [between(ANN, BOB), between(ANN, EVE), between(BOB, EVE)]


async def prepare(database: Database) -> None:
    await EntryStore.prepare(database)


@pytest.fixture
async def mongo(mongo_url: str) -> AsyncIterator[Mongo]:
    mongo = Mongo(mongo_url, f"lease_{uuid4().hex}", prepare)
    await mongo.run()
    yield mongo
    mongo.close()


class Instance:
    """One life of an instance: what it writes, and what it was asked to tell."""

    def __init__(self, mongo: Mongo) -> None:
        self.boot = uuid4().hex
        self.told: list[Announcement] = []
        self.untold = 0.0
        self.store = EntryStore(mongo.ready_database, mongo.blocking, self.boot)
        self.leases = LeaseStore(mongo.ready_database)
        self.lease = LogLease(self.leases, self.store, self.boot)

    async def write(self, *pairs: Conversation, age: float = 0.0) -> None:
        at = datetime.now(UTC) - timedelta(seconds=age)
        heads = await self.store.heads(pair.id for pair in pairs)
        await self.store.insert(
            [
                Entry(pair.id, heads[pair.id].seq + 1, uuid4(), pair.participants[0], "hi", at)
                for pair in pairs
            ]
        )

    def run(self) -> "asyncio.Task[None]":
        return asyncio.create_task(
            self.lease.run(lambda: self.untold, participants, self.told.extend)
        )


async def participants(ids: Iterable[str]) -> Mapping[str, tuple[str, str]]:
    wanted = set(ids)
    return {pair.id: pair.participants for pair in PAIRS if pair.id in wanted}


async def has_lease(mongo: Mongo, instance: Instance) -> bool:
    return await mongo.database["leases"].find_one({"_id": instance.boot}) is not None


async def forgotten(mongo: Mongo, instance: Instance) -> None:
    """Returns when somebody has seen to its lease."""

    async def is_forgotten() -> bool:
        return not await has_lease(mongo, instance)

    await until(is_forgotten)


async def test_what_an_instance_wrote_that_ended_without_a_goodbye_is_told(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_store, "LEASE_SECONDS", 0.05)
    killed = Instance(mongo)
    await LeaseStore.begin(mongo.database, killed.boot)
    await killed.write(PAIRS[0], PAIRS[1])
    await killed.write(PAIRS[0])
    await killed.write(PAIRS[2], age=60.0)  # of which it had told long ago
    monkeypatch.undo()
    other = Instance(mongo)
    running = other.run()
    await forgotten(mongo, killed)
    assert sorted((news.conversation, news.head) for news in other.told) == sorted(
        [(PAIRS[0].id, 2), (PAIRS[1].id, 1)]
    )
    assert {(news.first, news.second) for news in other.told} == {
        pair.participants for pair in PAIRS[:2]
    }
    running.cancel()


async def test_what_waited_to_be_told_for_long_is_told_however_old_it_is(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = Instance(mongo)
    await killed.write(PAIRS[0], age=300.0)
    await killed.write(PAIRS[1], age=100.0)
    monkeypatch.setattr(lease_store, "LEASE_SECONDS", 0.0)
    assert await killed.leases.renew(killed.boot, untold=120.0) == 0
    monkeypatch.undo()
    other = Instance(mongo)
    running = other.run()
    await forgotten(mongo, killed)
    assert [news.conversation for news in other.told] == [PAIRS[1].id]
    running.cancel()


async def test_nobody_tells_of_an_instance_that_is_alive_or_said_goodbye(mongo: Mongo) -> None:
    alive, gone, other = (Instance(mongo) for _ in range(3))
    for one in (alive, gone):
        await LeaseStore.begin(mongo.database, one.boot)
        await one.write(PAIRS[0])
    await gone.lease.end()
    running = other.run()
    await until(lambda: has_lease(mongo, other))
    ended = {lease.boot for lease in await other.leases.ended()}
    assert not ended & {alive.boot, gone.boot}
    assert other.told == []
    assert await has_lease(mongo, alive)
    running.cancel()
