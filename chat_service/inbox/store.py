"""The collection `convos`: one document for each conversation, with its participants, their
markers, and a summary derived from the log. Driver types stay in this file.

A reference system's `convos` may be in the same collection: reads leave out what is not ours.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime

from msgspec import Struct
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from chat_service.log import Conversation, Entry, between, tail_of, tail_stages
from shared.mongo import Collection, Database, Document, reachable

MOST_UNREAD = 100
"""Unread messages are counted up to here: nobody reads a larger number."""


class Marker(Struct, frozen=True):
    """The positions up to which a participant has received, and has read."""

    received: int = 0
    read: int = 0


Markers = tuple[Marker, Marker]
"""One for each participant, in the order of `Conversation.participants`."""

NO_MARKERS = (Marker(), Marker())


class Summary(Struct):
    """What is derived from a conversation's log: its head, when its newest message was written
    (None if only edits and deletions are new), and each sender's newest position, by the sender's
    index among the participants."""

    head: int
    updated_at: datetime | None
    sent: dict[int, int]


class Listed(Struct, frozen=True):
    """One conversation of an employee's list.

    All but `updated_at` and `markers` comes from the log; `updated_at` does, too, if there is a
    message. `summarised` is the head in the summary, which may be behind the log's. `unread` counts
    the other participant's messages after the employee's read marker, up to `MOST_UNREAD`.
    """

    conversation: Conversation
    last_message: Entry | None
    head: int
    summarised: int
    unread: int
    markers: Markers
    updated_at: datetime


Place = tuple[datetime, str]
"""A place in a list, which is ordered by time and then by id, both descending."""


class InboxStore:
    """Reads and writes conversations. Every method may raise `Unavailable`."""

    def __init__(self, ready: Callable[[], Database]) -> None:
        """`ready` gives the database, or raises `Unavailable` while its indexes are missing."""
        self._ready = ready

    @property
    def _convos(self) -> Collection:
        return self._ready()["convos"]

    @staticmethod
    async def prepare(database: Database) -> None:
        """Create the index; repeatable."""
        await database["convos"].create_index(
            [("participants", 1), ("updated_at", -1), ("_id", -1)]
        )

    async def exists(self, conversation: str) -> bool:
        with reachable():
            found = await self._convos.find_one({"_id": conversation}, {"_id": 1})
        return found is not None

    async def create(self, conversation: Conversation, at: datetime) -> None:
        """Create the conversation; one that exists stays as it is."""
        nothing = {"received": 0, "read": 0}
        new = {
            "participants": list(conversation.participants),
            "last_seq": 0,
            "markers": [nothing, nothing],
            "created_at": at,
            "updated_at": at,
        }
        # A duplicate key: another instance created it in the same moment.
        with reachable(), suppress(DuplicateKeyError):
            await self._convos.update_one(
                {"_id": conversation.id}, {"$setOnInsert": new}, upsert=True
            )

    async def of(self, employee: str, ids: Iterable[str]) -> dict[str, Conversation]:
        """The conversations among `ids` in which `employee` takes part, by id."""
        return await self._conversations({"_id": {"$in": list(ids)}, **_of_two(employee)})

    async def participants(self, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """The participants of the conversations that exist among `ids`, by id."""
        query = {"_id": {"$in": list(ids)}, "participants": {"$size": 2}}
        found = await self._conversations(query)
        return {id: conversation.participants for id, conversation in found.items()}

    async def newest_of(self, employee: str, limit: int) -> dict[str, Conversation]:
        """The `limit` conversations of `employee` written to last, by id, newest first."""
        with reachable():
            rows = await (
                self._convos.find(_of_two(employee), {"participants": 1})
                .sort("updated_at", -1)
                .to_list(limit)
            )
        return _by_id(rows)

    async def ids_of(self, employee: str) -> list[str]:
        """The ids of all conversations of `employee`."""
        query = {"participants": employee, "_id": {"$type": "string"}}
        with reachable():
            rows = await self._convos.find(query, {"_id": 1}).to_list(None)
        return [row["_id"] for row in rows]

    async def page(
        self, employee: str, after: Place | None, limit: int
    ) -> tuple[list[Listed], Place | None]:
        """A page of the conversations of `employee` that are not empty, by the time in their
        summary, newest first; and the place after which the next page begins, if there is one.

        It reads the log in the same command, so all that comes from there is exact, whatever has
        happened to the summaries.
        """
        with reachable():
            rows = await self._convos.aggregate(_listing(employee, after, limit + 1)).to_list(None)
        listed = [one for row in rows[:limit] if (one := _listed(row)) is not None]
        if len(rows) <= limit:
            return listed, None
        last = rows[limit - 1]
        return listed, (last["updated_at"], last["_id"])

    async def markers(self, ids: Iterable[str]) -> dict[str, Markers]:
        """The markers of the conversations that exist among `ids`, by id."""
        with reachable():
            rows = await self._convos.find({"_id": {"$in": list(ids)}}, {"markers": 1}).to_list(
                None
            )
        return {row["_id"]: _markers(row) for row in rows}

    async def mark(self, marks: Mapping[tuple[str, int], Marker]) -> None:
        """Move markers forward, by (conversation, index of the participant); never back."""
        updates = [
            UpdateOne(
                {"_id": conversation},
                {
                    "$max": {
                        f"markers.{index}.received": marker.received,
                        f"markers.{index}.read": marker.read,
                    }
                },
            )
            for (conversation, index), marker in marks.items()
        ]
        with reachable():
            await self._convos.bulk_write(updates, ordered=False)

    async def summarise(self, summaries: Mapping[str, Summary]) -> None:
        """Move summaries forward, by conversation; never back."""
        updates = []
        for conversation, summary in summaries.items():
            forward: Document = {"last_seq": summary.head}
            if summary.updated_at is not None:
                forward["updated_at"] = summary.updated_at
            for index, seq in summary.sent.items():
                forward[f"markers.{index}.received"] = forward[f"markers.{index}.read"] = seq
            updates.append(UpdateOne({"_id": conversation}, {"$max": forward}))
        with reachable():
            await self._convos.bulk_write(updates, ordered=False)

    async def _conversations(self, query: Document) -> dict[str, Conversation]:
        with reachable():
            return _by_id(await self._convos.find(query, {"participants": 1}).to_list(None))


def partner_stages(limit: int) -> list[Document]:
    """Stages for an aggregation of documents whose `_id` is an employee: they set `partners` to
    the other participants of that employee's newest conversations, at most `limit`."""
    two: Document = {f"participants.{index}": {"$type": "string"} for index in (0, 1)}
    newest: list[Document] = [
        {"$match": {"participants": {"$size": 2}, **two}},
        {"$sort": {"updated_at": -1, "_id": -1}},
        {"$limit": limit},
        {"$project": {"other": {"$setDifference": ["$participants", ["$$employee"]]}}},
        {"$project": {"_id": 0, "other": {"$first": "$other"}}},
    ]
    lookup = {
        "from": "convos",
        "let": {"employee": "$_id"},
        "localField": "_id",
        "foreignField": "participants",
        "pipeline": newest,
        "as": "partners",
    }
    return [{"$lookup": lookup}, {"$set": {"partners": "$partners.other"}}]


def _listing(employee: str, after: Place | None, limit: int) -> list[Document]:
    query: Document = {**_of_two(employee), "updated_at": {"$type": "date"}}
    if after is not None:
        moment, id = after
        query["$or"] = [{"updated_at": {"$lt": moment}}, {"updated_at": moment, "_id": {"$lt": id}}]
    index = {"$indexOfArray": ["$participants", employee]}
    # A foreign document is left out later, and must not fail the page before that.
    mine = {"$cond": [{"$isArray": "$markers"}, {"$arrayElemAt": ["$markers", index]}, None]}
    return [
        {"$match": query},
        {"$match": {"$expr": {"$eq": [{"$type": "$_id"}, "string"]}}},
        {"$sort": {"updated_at": -1, "_id": -1}},
        {"$limit": limit},
        {"$set": {"mine": mine}},
        *tail_stages(employee, "$mine.read", MOST_UNREAD),
    ]


def _listed(row: Document) -> Listed | None:
    """None for an empty conversation, and for a foreign document."""
    conversation, tail = _conversation(row), tail_of(row)
    if conversation is None or tail is None:
        return None
    last = tail.last_message
    return Listed(
        conversation=conversation,
        last_message=last,
        head=tail.head,
        summarised=row["last_seq"],
        unread=tail.unread,
        markers=_markers(row),
        updated_at=row["updated_at"] if last is None else last.timestamp,
    )


def _markers(row: Document) -> Markers:
    found: list[dict[str, int]] = row.get("markers") or [{}, {}]
    first, second = found
    return (
        Marker(first.get("received", 0), first.get("read", 0)),
        Marker(second.get("received", 0), second.get("read", 0)),
    )


def _of_two(employee: str) -> Document:
    """A query for conversations of `employee`; `_conversation` tells which are ours."""
    return {"participants": {"$eq": employee, "$size": 2}}


def _conversation(row: Document) -> Conversation | None:
    """The conversation in this document of two participants; None if it is a foreign one."""
    first, second = row["participants"]
    if not (isinstance(first, str) and isinstance(second, str)):
        return None
    conversation = between(first, second)
    return conversation if conversation.id == row["_id"] else None


def _by_id(rows: Iterable[Document]) -> dict[str, Conversation]:
    found = (_conversation(row) for row in rows)
    return {conversation.id: conversation for conversation in found if conversation is not None}
