"""Reads of `messages`, which show only what a majority has: no answer contains an entry that an
election may still roll back. Driver types stay in this file.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from pymongo.read_concern import ReadConcern

from chat_service.log.entries import EMPTY, Entry, Head, Kind, Recent, milliseconds
from chat_service.log.pages import Page, PageQuery, fitting
from shared.mongo import Collection, Database, Document, reachable

SETTLING_MS = 5000
_KINDS = {kind.value: kind for kind in Kind}


class EntryQueries:
    """Reads entries. Every method may raise `Unavailable`."""

    def __init__(self, ready: Callable[[], Database]) -> None:
        """`ready` gives the database, or raises `Unavailable` while its indexes are missing."""
        self._ready = ready

    @property
    def _messages(self) -> Collection:
        return self._ready()["messages"]

    async def heads(self, conversations: Iterable[str]) -> dict[str, Head]:
        """The head of each conversation, `EMPTY` for one without entries."""
        return await _heads(self._messages, conversations)

    async def settled_heads(self, conversations: Iterable[str]) -> dict[str, Head]:
        """The same, but first every earlier write either reaches a majority or is rolled back.

        Raises `Unavailable` if that takes more than `SETTLING_MS`.
        """
        settled = self._messages.with_options(read_concern=ReadConcern("linearizable"))
        return await _heads(settled, conversations, maxTimeMS=SETTLING_MS)

    async def recent(self, count: int) -> dict[str, Recent]:
        """The conversations of the `count` entries written last, of all conversations."""
        wanted = {"_id": 0, "convo": 1, "seq": 1, "timestamp": 1, "sender": 1, "kind": 1}
        # Foreign documents in the collection must not stop the service from starting.
        ours = {
            "convo": {"$type": "string"},
            "seq": {"$type": ["int", "long"]},
            "timestamp": {"$type": "date"},
            "sender": {"$type": "string"},
        }
        cursor = self._messages.find(ours, wanted).sort("$natural", -1).limit(count)
        with reachable():
            rows = await cursor.to_list(None)
        found: dict[str, Recent] = {}
        for row in reversed(rows):
            recent = found.setdefault(row["convo"], Recent(row["seq"], row["timestamp"]))
            if recent.head <= row["seq"]:
                recent.head, recent.at = row["seq"], row["timestamp"]
            if row.get("kind") == Kind.MESSAGE.value:
                sender = row["sender"]
                recent.sent[sender] = max(recent.sent.get(sender, 0), row["seq"])
        return found

    async def positions(self, conversation: str, first: int, before: int) -> set[int]:
        """The positions of a conversation, from `first` on and before `before`, with an entry."""
        query = {"convo": conversation, "seq": {"$gte": first, "$lt": before}}
        with reachable():
            rows = await self._messages.find(query, {"_id": 0, "seq": 1}).to_list(None)
        return {row["seq"] for row in rows}

    async def written_by(self, boot: str, since: datetime) -> set[str]:
        """The conversations to which the instance life `boot` has written since then."""
        query = {"boot": boot, "timestamp": {"$gte": since}}
        with reachable():
            rows = await self._messages.find(query, {"_id": 0, "convo": 1, "with": 1}).to_list(None)
        return {id for row in rows for id in (row["convo"], *row.get("with", ()))}

    async def by_ids(self, ids: Iterable[UUID]) -> dict[UUID, Entry]:
        """The stored entries among `ids`, by id."""
        with reachable():
            wanted = list(ids)
            cursor = self._messages.find({"_id": {"$in": wanted}}, batch_size=len(wanted) + 1)
            rows = await cursor.to_list(None)
        return {row["_id"]: _entry(row) for row in rows}

    async def after(
        self,
        cursors: Mapping[str, int],
        *,
        before: Mapping[str, int] | None = None,
        limit: int,
        at_once: int,
    ) -> AsyncGenerator[list[Entry], None]:
        """Entries of several conversations after their positions in `cursors`, and before those in
        `before`.

        At most `limit` in all, by conversation, and in `seq` order within one. They are read
        `at_once` at a time, as the caller asks for them; a caller that stops early closes the
        generator.
        """
        ranges: list[Document] = []
        for conversation, seq in cursors.items():
            bounds: Document = {"$gt": seq}
            if before is not None and conversation in before:
                bounds["$lt"] = before[conversation]
            ranges.append({"convo": conversation, "seq": bounds})
        query = ranges[0] if len(ranges) == 1 else {"$or": ranges}
        in_order = [("convo", 1), ("seq", 1)]
        size = min(limit, at_once)
        cursor = self._messages.find(query, sort=in_order, limit=limit, batch_size=size)
        left = limit
        try:
            while left > 0:
                with reachable():
                    rows = await cursor.to_list(size)
                left = left - len(rows) if len(rows) == size else 0
                if rows:
                    yield [_entry(row) for row in rows]
        finally:
            if left > 0:
                await cursor.close()

    async def page(self, query: PageQuery) -> Page:
        """A page of a conversation's log."""
        (page,) = await self.pages([query])
        return page

    async def pages(self, queries: Sequence[PageQuery]) -> list[Page]:
        """The page that each of `queries` asks for, all by one command."""
        if len(queries) == 1:
            (query,) = queries
            cursor = self._messages.find(
                _matching(query), sort=[("seq", _direction(query))], limit=query.limit + 1
            )
            with reachable():
                return [_page(query, await cursor.to_list(None))]
        stages: list[list[Document]] = [
            [
                {"$match": _matching(query)},
                {"$sort": {"seq": _direction(query)}},
                {"$limit": query.limit + 1},
                {"$set": {"page": number}},
            ]
            for number, query in enumerate(queries)
        ]
        first, *others = stages
        unions = [{"$unionWith": {"coll": "messages", "pipeline": each}} for each in others]
        most = sum(query.limit + 1 for query in queries)
        with reachable():
            rows = await self._messages.aggregate([*first, *unions], batchSize=most + 1).to_list(
                None
            )
        found: list[list[Document]] = [[] for _ in queries]
        for row in rows:
            found[row["page"]].append(row)
        return [_page(query, each) for query, each in zip(queries, found, strict=True)]


class Tail(Struct, frozen=True):
    """The end of a conversation's log, as one participant sees it.

    `last_message` is None in a log of edits and deletions only. `unread` counts the other
    participant's messages after this one's read position, without deleted ones.
    """

    head: int
    last_message: Entry | None
    unread: int


def tail_stages(reader: str, read: object, most_unread: int) -> list[Document]:
    """Stages for an aggregation of documents whose `_id` names a conversation: they look up its
    `Tail`, for `tail_of`.

    `read` is an expression for the position up to which `reader` has read; null means 0. A
    conversation costs one index seek for the newest entry, one for the newest message, and at most
    `most_unread` index entries for `unread`, which stops there.
    """
    newest: list[Document] = [{"$sort": {"seq": -1}}, {"$limit": 1}]
    unread: list[Document] = [
        {
            "$match": {
                "$expr": {"$gt": ["$seq", "$$read"]},
                "kind": "message",
                "sender": {"$ne": reader},
                "deleted_at": {"$exists": False},
            }
        },
        {"$limit": most_unread},
        {"$count": "count"},
    ]
    return [
        _lookup("newest", [*newest, {"$project": {"seq": 1}}]),
        _lookup("last", [{"$match": {"kind": "message"}}, *newest]),
        _lookup("unread", unread, {"read": {"$ifNull": [read, 0]}}),
    ]


def tail_of(row: Mapping[str, Any]) -> Tail | None:
    """What `tail_stages` found for this document; None if the log is empty."""
    if not row["newest"]:
        return None
    return Tail(
        head=row["newest"][0]["seq"],
        last_message=_entry(row["last"][0]) if row["last"] else None,
        unread=row["unread"][0]["count"] if row["unread"] else 0,
    )


def _lookup(name: str, pipeline: list[Document], let: Document | None = None) -> Document:
    stage: Document = {
        "from": "messages",
        "localField": "_id",
        "foreignField": "convo",
        "pipeline": pipeline,
        "as": name,
    }
    return {"$lookup": stage | ({"let": let} if let else {})}


def head_stages(conversations: Sequence[str]) -> list[Document]:
    """Stages for an aggregation of entries, whose rows are for `heads_of`. MongoDB plans exactly
    this shape as a DISTINCT_SCAN: one index seek for each conversation."""
    return [
        {"$match": {"convo": {"$in": conversations}}},
        {"$sort": {"convo": -1, "seq": -1}},
        {
            "$group": {
                "_id": "$convo",
                "seq": {"$first": "$seq"},
                "at": {"$first": "$timestamp"},
            }
        },
    ]


def heads_of(conversations: Iterable[str], rows: Iterable[Document]) -> dict[str, Head]:
    """The head of each conversation, `EMPTY` for one without entries."""
    found = {row["_id"]: Head(row["seq"], milliseconds(row["at"])) for row in rows}
    return {conversation: found.get(conversation, EMPTY) for conversation in conversations}


async def _heads(
    messages: Collection, conversations: Iterable[str], **options: int
) -> dict[str, Head]:
    ids = list(conversations)
    with reachable():
        return heads_of(ids, await messages.aggregate(head_stages(ids), **options).to_list(None))


def _matching(query: PageQuery) -> Document:
    matching: Document = {"convo": query.conversation}
    if query.messages_only:
        matching["kind"] = Kind.MESSAGE.value
    bounds = {"$gt": query.after, "$lt": query.before}
    if given := {operator: seq for operator, seq in bounds.items() if seq is not None}:
        matching["seq"] = given
    return matching


def _direction(query: PageQuery) -> int:
    return -1 if query.after is None else 1


def _page(query: PageQuery, rows: list[Document]) -> Page:
    """`rows` come in the query's direction, one more than its limit if there is more."""
    count = query.limit
    if query.text_bytes is not None:
        count = min(count, fitting((row.get("text") for row in rows), query.text_bytes))
    entries = [_entry(row) for row in rows[:count]]
    if query.after is None:
        entries.reverse()
    return Page(entries, len(rows) > count)


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        conversation=row["convo"],
        seq=row["seq"],
        id=row["_id"],
        sender=row["sender"],
        text=row.get("text"),
        timestamp=row["timestamp"],
        sent_at=row.get("sent_at"),
        kind=_KINDS[row["kind"]],
        message=row.get("message"),
        edited_at=row.get("edited_at"),
        deleted="deleted_at" in row,
    )
