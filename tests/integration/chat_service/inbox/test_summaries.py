"""Summaries on a real MongoDB: written behind the log, and kept while it is away."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from chat_service.inbox.store import InboxStore
from chat_service.inbox.summaries import Summaries
from chat_service.log.conversation import between
from chat_service.log.entries import Committed, Draft, Entry
from chat_service.log.store import EntryStore
from deploy.local.backing.mongodb import MongoServer
from shared.errors import Unavailable
from shared.mongo import Document, Mongo

ANN, BOB = "ann@example.org", "bob@example.org"
PAIR = between(ANN, BOB)
PATIENCE_SECONDS = 30.0


@pytest.fixture
async def mongo(mongo_url: str) -> AsyncIterator[Mongo]:
    mongo = Mongo(mongo_url, f"summaries_{uuid4().hex}", InboxStore.prepare)
    await mongo.run()
    yield mongo
    mongo.close()


def committed(seq: int, sender: str) -> Committed:
    draft = Draft.message(PAIR, uuid4(), sender, text="hello", settle=lambda *_: None)
    now = datetime.now(UTC)
    at = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return Committed(draft, Entry(PAIR.id, seq, draft.id, sender, "hello", at))


async def test_summaries_are_written_behind_the_log_and_kept_through_an_outage(
    mongo: Mongo, mongo_server: MongoServer
) -> None:
    inbox = InboxStore(mongo.ready_database)
    await inbox.create(PAIR, datetime.now(UTC))
    summaries = Summaries(inbox, EntryStore(mongo.ready_database, mongo.blocking), interval=0.01)
    writing = asyncio.create_task(summaries.run())

    async def summary() -> Document:
        found = await mongo.database["convos"].find_one({"_id": PAIR.id})
        assert found is not None
        return found

    async def reaches(seq: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await summary())["last_seq"] < seq:
                assert not writing.done()
                await asyncio.sleep(0.01)

    summaries.note([committed(1, ANN)])
    await reaches(1)
    await asyncio.to_thread(mongo_server.kill)
    unwritten = committed(2, BOB)
    summaries.note([unwritten])
    with pytest.raises(Unavailable):
        await inbox.of(ANN, [PAIR.id])
    await asyncio.to_thread(mongo_server.start)
    await reaches(2)
    assert (await summary())["updated_at"] == unwritten.entry.timestamp
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
