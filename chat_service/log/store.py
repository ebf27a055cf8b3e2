"""The collection `messages`: the entries of every conversation, by position and by id.

Reads see only what a majority has (a rolled-back entry was never there); writes are confirmed by a
majority's journal. Driver types stay in this file.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any
from uuid import UUID

from bson.binary import UUID_SUBTYPE, Binary
from motor.motor_asyncio import AsyncIOMotorClientSession
from msgspec import Struct
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError, WriteError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from chat_service.log.entries import EMPTY, Entry, Head, Kind, Recent
from chat_service.log.pages import Page, PageQuery, fitting
from shared.errors import MessageDeleted, NotSender, ServiceError, Unavailable, UnknownMessage
from shared.mongo import Collection, Database, Document, passes, reachable, unavailable

WRITE_CONCERN = {"w": "majority", "j": True, "wtimeout": 5000}
DUPLICATE_KEY = 11000
WRITE_CONFLICT = 112
SETTLING_MS = 5000
_KINDS = {kind.value: kind for kind in Kind}


class Uncertain(Exception):
    """Nobody knows whether it was stored. `error` is what to tell those who wait."""

    def __init__(self, error: ServiceError) -> None:
        super().__init__(error.detail)
        self.error = error


class Busy(Unavailable):
    """Somebody else writes to the same conversation all the time."""

    def __init__(self) -> None:
        super().__init__("The conversation is busy.", retry_after=1.0)


class Refusal(Enum):
    """Why the first entry that was not inserted was not."""

    ID_TAKEN = auto()
    POSITION_TAKEN = auto()
    INVALID = auto()


class Inserted(Struct, frozen=True):
    """The first `count` entries are durable; `refusal` says what the next one met, if any."""

    count: int
    refusal: Refusal | None = None
    reason: str = ""


class EntryStore:
    """Reads and writes entries. Every method may raise `Unavailable`."""

    def __init__(self, ready: Callable[[], Database]) -> None:
        """`ready` gives the database, or raises `Unavailable` while its indexes are missing."""
        self._ready = ready

    @property
    def _messages(self) -> Collection:
        return self._ready()["messages"]

    @staticmethod
    async def prepare(database: Database) -> None:
        """Indexes; repeatable."""
        messages = database["messages"]
        await messages.create_index([("convo", 1), ("seq", 1)], unique=True)
        await messages.create_index(
            [("convo", 1), ("message", 1)],
            partialFilterExpression={"message": {"$exists": True}},
        )

    async def insert(self, entries: Sequence[Entry]) -> Inserted:
        """Insert in order, up to the first that cannot be; raises `Uncertain`."""
        command: Document = {
            "insert": "messages",
            "documents": [_document(entry) for entry in entries],
            "ordered": True,
            "writeConcern": WRITE_CONCERN,
        }
        try:
            reply = await self._ready().command(command)
        except OperationFailure as error:
            if passes(error):
                raise Uncertain(unavailable(error)) from error
            raise
        except PyMongoError as error:
            raise Uncertain(unavailable(error)) from error
        if "writeConcernError" in reply:
            message = reply["writeConcernError"].get("errmsg", "write concern not met")
            raise Uncertain(unavailable(OperationFailure(message)))
        errors = reply.get("writeErrors")
        if not errors:
            return Inserted(reply["n"])
        first = errors[0]
        failure = WriteError(first.get("errmsg", "not written"), first.get("code"), first)
        if passes(failure):  # what was written before it may be rolled back
            raise Uncertain(unavailable(failure))
        return Inserted(reply["n"], _refusal(first), first.get("errmsg", ""))

    async def amend(self, entry: Entry) -> Inserted:
        """Insert an edit or a deletion, and change the message that it names, both or neither.

        Raises `UnknownMessage`, `NotSender`, `MessageDeleted` or `Uncertain`.
        """
        client = self._ready().client
        try:
            async with (
                await client.start_session() as session,
                session.start_transaction(
                    read_concern=ReadConcern("snapshot"),
                    write_concern=WriteConcern(w="majority", j=True, wtimeout=5000),
                ),
            ):
                await self._messages.insert_one(_document(entry), session=session)
                await self._change_message(entry, session)
        except DuplicateKeyError as error:
            return Inserted(0, _refusal(error.details or {}), str(error))
        except PyMongoError as error:
            # A conflict with another write, an election, a lost connection: the next try tells.
            if isinstance(error, OperationFailure) and error.code == WRITE_CONFLICT:
                raise Uncertain(Busy()) from error
            raise Uncertain(unavailable(error)) from error
        return Inserted(1)

    async def _change_message(self, entry: Entry, session: AsyncIOMotorClientSession) -> None:
        found = {"_id": entry.message, "convo": entry.conversation}
        message = await self._messages.find_one(found, session=session)
        if message is None or message.get("kind", "message") != "message":
            raise UnknownMessage("There is no such message in this conversation.")
        if message["sender"] != entry.sender:
            raise NotSender("Only its sender can change or delete a message.")
        if "deleted_at" in message:
            raise MessageDeleted("The message is deleted.")
        if entry.kind is Kind.EDIT:
            change: Document = {"$set": {"text": entry.text, "edited_at": entry.timestamp}}
        else:
            change = {"$set": {"deleted_at": entry.timestamp}, "$unset": {"text": 1}}
            edits = {"convo": entry.conversation, "message": entry.message, "kind": "edit"}
            await self._messages.update_many(edits, {"$unset": {"text": 1}}, session=session)
        await self._messages.update_one(found, change, session=session)

    async def heads(self, conversations: Iterable[str]) -> dict[str, Head]:
        """The head of each conversation, `EMPTY` for one without entries."""
        return await _heads(self._messages, conversations)

    async def settled_heads(self, conversations: Iterable[str]) -> dict[str, Head]:
        """The same, once a majority has everything that was written before, or it is rolled back.

        Raises `Unavailable` where that takes too long.
        """
        settled = self._messages.with_options(read_concern=ReadConcern("linearizable"))
        return await _heads(settled, conversations, maxTimeMS=SETTLING_MS)

    async def recent(self, count: int) -> dict[str, Recent]:
        """The conversations of the `count` entries that were written last."""
        wanted = {"_id": 0, "convo": 1, "seq": 1, "timestamp": 1, "sender": 1, "kind": 1}
        # Whatever else is in the collection is in no conversation, and must not stop the start.
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

    async def by_ids(self, ids: Iterable[UUID]) -> dict[UUID, Entry]:
        """Those of the entries `ids` that a majority has, by id."""
        with reachable():
            wanted = list(ids)
            cursor = self._messages.find({"_id": {"$in": wanted}}, batch_size=len(wanted) + 1)
            rows = await cursor.to_list(None)
        return {row["_id"]: entry_of(row) for row in rows}

    async def after(
        self,
        cursors: Mapping[str, int],
        *,
        before: Mapping[str, int] | None = None,
        limit: int,
        at_once: int,
    ) -> AsyncGenerator[list[Entry], None]:
        """Entries of several conversations after these positions, and before those of `before`.

        At most `limit` in all, by conversation and in `seq` order within one. They are read
        `at_once` at a time, as they are asked for; close it where you need no more.
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
                    yield [entry_of(row) for row in rows]
        finally:
            if left > 0:
                await cursor.close()

    async def page(self, query: PageQuery) -> Page:
        """A page of a conversation's log."""
        (page,) = await self.pages([query])
        return page

    async def pages(self, queries: Sequence[PageQuery]) -> list[Page]:
        """The page that each of `queries` asks for, with one command."""
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


def milliseconds(moment: datetime) -> int:
    """A moment as whole milliseconds since the epoch, which is what BSON keeps."""
    return round(moment.timestamp() * 1000)


async def _heads(
    messages: Collection, conversations: Iterable[str], **options: int
) -> dict[str, Head]:
    ids = list(conversations)
    # This exact shape is planned as a DISTINCT_SCAN: one index seek per conversation.
    pipeline: list[Document] = [
        {"$match": {"convo": {"$in": ids}}},
        {"$sort": {"convo": -1, "seq": -1}},
        {
            "$group": {
                "_id": "$convo",
                "seq": {"$first": "$seq"},
                "at": {"$first": "$timestamp"},
            }
        },
    ]
    with reachable():
        rows = await messages.aggregate(pipeline, **options).to_list(None)
    found = {row["_id"]: Head(row["seq"], milliseconds(row["at"])) for row in rows}
    return {conversation: found.get(conversation, EMPTY) for conversation in ids}


def _refusal(error: Mapping[str, Any]) -> Refusal:
    if error.get("code") != DUPLICATE_KEY:
        return Refusal.INVALID
    return Refusal.ID_TAKEN if "_id" in error.get("keyPattern", {}) else Refusal.POSITION_TAKEN


def _document(entry: Entry) -> Document:
    document: Document = {
        "_id": _binary(entry.id),
        "convo": entry.conversation,
        "seq": entry.seq,
        "kind": entry.kind.value,
        "sender": entry.sender,
        "timestamp": entry.timestamp,
    }
    if entry.text is not None:
        document["text"] = entry.text
    if entry.message is not None:
        document["message"] = _binary(entry.message)
    if entry.sent_at is not None:
        document["sent_at"] = entry.sent_at
    return document


def _binary(id: UUID) -> Binary:
    return Binary(id.bytes, UUID_SUBTYPE)


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
    """`rows` as they were found: in the query's direction, one more than its limit if there is."""
    count = query.limit
    if query.text_bytes is not None:
        count = min(count, fitting((row.get("text") for row in rows), query.text_bytes))
    entries = [entry_of(row) for row in rows[:count]]
    if query.after is None:
        entries.reverse()
    return Page(entries, len(rows) > count)


def entry_of(row: Mapping[str, Any]) -> Entry:
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
