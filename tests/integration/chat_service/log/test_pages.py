"""Reads of several conversations' logs with one command, on a real MongoDB."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pymongo
import pytest

from chat_service.log.entries import Entry, Kind
from chat_service.log.pages import Page, PageQuery
from chat_service.log.store import EntryStore
from shared.mongo import Mongo

LENGTH = 12
EDITS = {3, 8}
CONVERSATIONS = ("a", "b", "empty")


@pytest.fixture
async def store(mongo_url: str) -> AsyncIterator[EntryStore]:
    mongo = Mongo(mongo_url, f"pages_{uuid4().hex}", EntryStore.prepare)
    await mongo.run()
    store = EntryStore(mongo.ready_database, mongo.blocking)
    for conversation in CONVERSATIONS[:2]:
        await store.insert([entry(conversation, seq) for seq in range(1, LENGTH + 1)])
    yield store
    mongo.close()


def entry(conversation: str, seq: int) -> Entry:
    return Entry(
        conversation=conversation,
        seq=seq,
        id=uuid4(),
        sender="ann@example.org",
        text=f"{conversation} {seq}",
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        kind=Kind.EDIT if seq in EDITS else Kind.MESSAGE,
        message=uuid4() if seq in EDITS else None,
    )


def expected(query: PageQuery) -> tuple[list[tuple[str, int]], bool]:
    """Of the page: each entry's conversation and position, and whether there is more."""
    upper = query.before or LENGTH + 1
    matching = [
        seq
        for seq in range((query.after or 0) + 1, upper)
        if query.conversation != "empty" and not (query.messages_only and seq in EDITS)
    ]
    chosen = matching[-query.limit :] if query.after is None else matching[: query.limit]
    return [(query.conversation, seq) for seq in chosen], len(matching) > query.limit


def found(page: Page) -> tuple[list[tuple[str, int]], bool]:
    return [(one.conversation, one.seq) for one in page.entries], page.has_more


async def test_each_query_gets_its_own_page(store: EntryStore) -> None:
    queries = [
        PageQuery(
            conversation=conversation,
            before=before,
            after=after,
            limit=limit,
            messages_only=messages_only,
        )
        for conversation in CONVERSATIONS
        for before in (None, 1, 7)
        for after in (None, 0, 5)
        for limit in (1, 4, 50)
        for messages_only in (False, True)
    ]
    together = await store.pages(queries)
    assert [found(page) for page in together] == [expected(query) for query in queries]
    assert [await store.page(query) for query in queries] == together


def text_bytes(count: int) -> int:
    """Of `count` texts, which are to count with their quotes and six bytes for a control."""
    return count * len('"\\u0001 123 😀"'.encode())


@pytest.fixture
async def bulky(store: EntryStore) -> EntryStore:
    """The conversation `bulky`: each text is as long as the others."""
    texts = [f"\x01 {100 + seq} 😀" for seq in range(1, LENGTH + 1)]
    await store.insert(
        [
            msgspec.structs.replace(entry("bulky", seq), text=text)
            for seq, text in enumerate(texts, 1)
        ]
    )
    return store


@pytest.mark.parametrize("messages_only", [False, True])
@pytest.mark.parametrize(
    ("most", "count"), [(0, 1), (1, 1), (text_bytes(3) - 1, 2), (text_bytes(3), 3)]
)
async def test_pages_of_so_many_bytes_leave_nothing_out_in_either_direction(
    bulky: EntryStore, most: int, count: int, messages_only: bool
) -> None:
    everything = [seq for seq in range(1, LENGTH + 1) if not (messages_only and seq in EDITS)]
    for forward in (True, False):
        read: list[int] = []
        more = True
        while more:
            page = await bulky.page(
                PageQuery(
                    conversation="bulky",
                    after=(read[-1] if read else 0) if forward else None,
                    before=None if forward or not read else read[0],
                    limit=5,
                    messages_only=messages_only,
                    text_bytes=most,
                )
            )
            more = page.has_more
            seqs = [one.seq for one in page.entries]
            assert len(seqs) == min(count, len(everything) - len(read))
            read = [*read, *seqs] if forward else [*seqs, *read]
        assert read == everything


async def test_bytes_that_suffice_leave_a_page_as_it_is(bulky: EntryStore) -> None:
    query = PageQuery(conversation="bulky", limit=5)
    ample, ending = [
        msgspec.structs.replace(query, text_bytes=text_bytes(5), after=after) for after in (None, 7)
    ]
    one, other = await bulky.pages([ample, ending])
    assert found(one) == found(await bulky.page(query))
    assert found(other) == ([("bulky", seq) for seq in range(8, 13)], False)


async def test_the_same_page_twice_is_there_twice(store: EntryStore) -> None:
    query = PageQuery(conversation="a", limit=3)
    first, second = await store.pages([query, query])
    assert first == second
    assert found(first) == expected(query)


@pytest.mark.parametrize("at_once", [1, 5, 9, 50])
@pytest.mark.parametrize("limit", [1, 9, 10, 50])
async def test_what_comes_after_is_read_in_slices(
    store: EntryStore, at_once: int, limit: int
) -> None:
    cursors = {"b": 7, "a": 6, "empty": 0}
    slices = [
        [(one.conversation, one.seq) for one in entries]
        async for entries in store.after(cursors, before={"a": 11}, limit=limit, at_once=at_once)
    ]
    expected = [("a", seq) for seq in range(7, 11)] + [("b", seq) for seq in range(8, LENGTH + 1)]
    assert [one for entries in slices for one in entries] == expected[:limit]
    assert all(0 < len(entries) <= at_once for entries in slices)


async def test_what_is_not_asked_for_is_not_read_and_leaves_no_cursor(
    store: EntryStore, mongo_url: str
) -> None:
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        async with aclosing(store.after({"a": 0}, limit=LENGTH, at_once=5)) as found:
            assert [one.seq for one in await anext(found)] == [1, 2, 3, 4, 5]
            assert len(idle_cursors(client)) == 1
        assert idle_cursors(client) == []


def idle_cursors(client: pymongo.MongoClient[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of this file's databases that have more to give."""
    ours = {"type": "idleCursor", "ns": {"$regex": r"^pages_\w+\.messages$"}}
    stages: list[dict[str, Any]] = [{"$currentOp": {"idleCursors": True}}, {"$match": ours}]
    return list(client.admin.aggregate(stages))
