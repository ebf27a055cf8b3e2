"""When an instance clears up after ended boots, on a real MongoDB."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from chat_service.presence.announcer import Announcer
from chat_service.presence.lease import Lease
from chat_service.presence.store import PresenceStore
from shared.errors import Unavailable
from shared.mongo import Mongo
from tests.support.conditions import until

LEASE = 2.0


@pytest.fixture
async def store(mongo_url: str) -> AsyncIterator[PresenceStore]:
    mongo = Mongo(mongo_url, f"presence_{uuid4().hex[:12]}", PresenceStore.prepare)
    await mongo.run()
    yield PresenceStore(mongo.ready_database)
    await mongo.client.drop_database(mongo.database.name)
    mongo.close()


async def cleared(store: PresenceStore, lease: Lease) -> bool:
    """Whether ann, who is connected at an ended boot, is offline after one attempt to clear up."""
    await lease.keep()
    await lease.clear_up()
    (ann,) = await store.of(["ann"])
    return ann.status == "offline"


async def test_nothing_is_cleared_for_one_lease_after_the_start_or_an_outage(
    store: PresenceStore,
) -> None:
    lease = Lease(store, "chat-1", LEASE, Announcer(store))
    await store.arrived("ended", ["ann"], "1")
    assert not await cleared(store, lease)
    await until(lambda: cleared(store, lease))

    async def outage() -> None:
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        await lease.noting_outages(outage())
    await store.arrived("ended", ["ann"], "2")
    assert not await cleared(store, lease)
    await until(lambda: cleared(store, lease))
