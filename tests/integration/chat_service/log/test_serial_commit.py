"""Commits to conversations in which others write, on a real MongoDB: no gap and no disorder."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from chat_service.log.conversation import Conversation, between
from chat_service.log.entries import Draft, Entry, Head, Kind
from chat_service.log.heads import Heads
from chat_service.log.serial_commit import AmendCommit, SerialCommit
from chat_service.log.store import EntryStore, Inserted
from shared.mongo import Mongo

ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@example.org"
PAIR, OTHER = between(ANN, BOB), between(ANN, EVE)


@pytest.fixture
async def mongo(mongo_url: str) -> AsyncIterator[Mongo]:
    mongo = Mongo(mongo_url, f"serial_{uuid4().hex}", EntryStore.prepare)
    await mongo.run()
    yield mongo
    mongo.close()


class Store(EntryStore):
    """A store whose `latest_heads` are those of a primary that was deposed, once."""

    deposed: int | None = None

    async def latest_heads(self, conversations: Iterable[str]) -> dict[str, Head]:
        found = await super().latest_heads(conversations)
        if self.deposed is None:
            return found
        ahead, self.deposed = self.deposed, None
        return {id: Head(head.seq + ahead, head.at) for id, head in found.items()}


@pytest.fixture
def store(mongo: Mongo) -> Store:
    return Store(mongo.ready_database, mongo.blocking)


def draft(conversation: Conversation, text: str = "hi", sender: str = ANN) -> Draft:
    return Draft.message(conversation, uuid4(), sender, text=text, settle=lambda *_: None)


async def positions(mongo: Mongo, conversation: Conversation = PAIR) -> list[int]:
    rows = mongo.database["messages"].find({"convo": conversation.id}).sort("seq", 1)
    return [row["seq"] async for row in rows]


async def stored(store: EntryStore, seq: int, conversation: Conversation = PAIR) -> Entry:
    now = datetime.now(UTC)
    entry = Entry(conversation.id, seq, uuid4(), BOB, "theirs", now)
    assert await store.insert([entry]) == Inserted(1)
    return entry


async def committed(store: EntryStore, drafts: Sequence[Draft], heads: Heads) -> SerialCommit:
    commit = SerialCommit(store, heads, drafts, time.time)
    await commit.run()
    assert not commit.outcome.remaining
    return commit


async def test_messages_of_many_conversations_follow_the_newest_entries(
    mongo: Mongo, store: Store
) -> None:
    heads = Heads()
    heads.put(PAIR.id, Head(1, 0))  # which is out of date
    for seq in (1, 2, 3):
        await stored(store, seq)
    drafts = [draft(PAIR, "one"), draft(OTHER), draft(PAIR, "two"), draft(OTHER)]
    commit = await committed(store, drafts, heads)
    seqs = {item.draft.id: item.entry.seq for item in commit.outcome.committed}
    assert [seqs[one.id] for one in drafts] == [4, 1, 5, 2]
    assert await positions(mongo) == [1, 2, 3, 4, 5]
    assert heads.get(PAIR.id) == Head(5, heads.get(PAIR.id).at)  # type: ignore[union-attr]


async def test_a_repeat_is_answered_and_does_not_hold_up_the_rest(
    mongo: Mongo, store: Store
) -> None:
    before = draft(PAIR)
    await committed(store, [before], Heads())
    commit = await committed(store, [before, draft(PAIR)], Heads())
    assert sorted((item.entry.seq, item.repeated) for item in commit.outcome.committed) == [
        (1, True),
        (2, False),
    ]
    assert await positions(mongo) == [1, 2]


async def test_many_at_once_leave_no_gap_and_keep_each_ones_order(
    mongo: Mongo, store: Store
) -> None:
    async def talk(sender: str) -> list[int]:
        drafts = [draft(PAIR, f"{number}", sender) for number in range(20)]
        commit = await committed(store, drafts, Heads())
        seqs = {item.draft.id: item.entry.seq for item in commit.outcome.committed}
        return [seqs[one.id] for one in drafts]

    for seqs in await asyncio.gather(talk(ANN), talk(BOB), talk(ANN)):
        assert seqs == sorted(seqs)
    assert await positions(mongo) == list(range(1, 61))


async def test_a_position_that_was_rolled_back_is_filled_before_anybody_is_told(
    mongo: Mongo, store: Store
) -> None:
    await stored(store, 1)
    store.deposed = 2  # it showed entries 2 and 3, which no other primary will ever have
    store.term = "an earlier one"
    commit = await committed(store, [draft(PAIR)], Heads())
    (item,) = commit.outcome.committed
    assert item.entry.seq == 4
    assert await positions(mongo) == [1, 2, 3, 4]
    fillers = mongo.database["messages"].find({"convo": PAIR.id, "seq": {"$in": [2, 3]}})
    async for filler in fillers:
        assert filler["kind"] == Kind.DELETE.value
        assert filler["message"] == filler["_id"]
        assert "text" not in filler


async def test_without_a_known_term_only_what_a_majority_shows_is_acknowledged(
    mongo: Mongo, store: Store
) -> None:
    for _ in range(3):
        store.term = None
        commit = await committed(store, [draft(PAIR), draft(OTHER)], Heads())
        assert len(commit.outcome.committed) == 2
    assert await positions(mongo) == await positions(mongo, OTHER) == [1, 2, 3]


async def test_an_edit_follows_the_newest_entry_whatever_is_remembered(
    mongo: Mongo, store: Store
) -> None:
    message = draft(PAIR, "helo")
    await committed(store, [message], Heads())
    await stored(store, 2)
    edit = Draft.edit(PAIR, uuid4(), ANN, message.id, text="hello", settle=lambda *_: None)
    commit = AmendCommit(store, Heads(), edit, time.time)
    await commit.run()
    assert [item.entry.seq for item in commit.outcome.committed] == [3]
    again = AmendCommit(store, Heads(), edit, time.time)
    await again.run()
    assert [(item.entry.seq, item.repeated) for item in again.outcome.committed] == [(3, True)]
    assert await positions(mongo) == [1, 2, 3]
