"""An employee's conversations, the most recent first, with what a list of them shows.

Everything but the order is read from the log itself, in one command, so that it is exact whatever
has happened to the summaries.
"""

import base64
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from chat_service.inbox.conversations import Markers, conversation_of, markers_of, of_two
from chat_service.inbox.summaries import Summaries
from chat_service.log import Conversation, Entry, entry_of, milliseconds
from shared.errors import FieldProblem, InvalidInput
from shared.mongo import Database, Document, reachable

MOST_UNREAD = 100
"""Unread messages are counted up to here: beyond it nobody reads the number."""


class Listed(Struct, frozen=True):
    """One conversation of a list; `unread` counts the other's messages after one's read marker."""

    conversation: Conversation
    last_message: Entry | None
    head: int
    unread: int
    markers: Markers
    updated_at: datetime


class ConversationList:
    """Reads pages of conversations."""

    def __init__(self, ready: Callable[[], Database], summaries: Summaries) -> None:
        self._ready = ready
        self._summaries = summaries

    async def page(
        self, employee: str, before: str | None, limit: int
    ) -> tuple[list[Listed], str | None]:
        """A page that begins after the cursor `before`, and the cursor of the next, if any.

        Raises `InvalidInput` for a cursor that is none of ours, or `Unavailable`.
        """
        query: Document = {**of_two(employee), "updated_at": {"$type": "date"}}
        if before is not None:
            moment, id = _cursor(before)
            query["$or"] = [
                {"updated_at": {"$lt": moment}},
                {"updated_at": moment, "_id": {"$lt": id}},
            ]
        await self._summaries.write()
        convos = self._ready()["convos"]
        with reachable():
            rows = await convos.aggregate(_pipeline(employee, query, limit + 1)).to_list(None)
        following = _cursor_of(rows[limit - 1]) if len(rows) > limit else None
        listed = []
        for row in rows[:limit]:
            conversation = conversation_of(row)
            if conversation is None or not row["newest"]:
                continue
            one = _listed(conversation, row)
            if row["last_seq"] < one.head:
                self._summaries.repair(conversation.id, one.head, one.updated_at)
            listed.append(one)
        return sorted(listed, key=lambda one: one.updated_at, reverse=True), following


def _pipeline(employee: str, query: Document, limit: int) -> list[Document]:
    """For each conversation: one index seek for the newest entry, one for the newest message, and
    at most `MOST_UNREAD` index entries for the unread count."""
    newest: list[Document] = [{"$sort": {"seq": -1}}, {"$limit": 1}]
    is_message = {"$match": {"kind": "message"}}
    place = {"$indexOfArray": ["$participants", employee]}
    # What is not ours is sorted out later, but must not fail the whole page.
    mine = {"$cond": [{"$isArray": "$markers"}, {"$arrayElemAt": ["$markers", place]}, None]}
    named = {"$expr": {"$eq": [{"$type": "$_id"}, "string"]}}
    unread: list[Document] = [
        {
            "$match": {
                "$expr": {"$gt": ["$seq", "$$read"]},
                "kind": "message",
                "sender": {"$ne": employee},
                "deleted_at": {"$exists": False},
            }
        },
        {"$limit": MOST_UNREAD},
        {"$count": "count"},
    ]
    return [
        {"$match": query},
        {"$match": named},
        {"$sort": {"updated_at": -1, "_id": -1}},
        {"$limit": limit},
        _lookup("newest", [*newest, {"$project": {"seq": 1, "timestamp": 1}}]),
        _lookup("last", [is_message, *newest]),
        {"$set": {"mine": mine}},
        _lookup("unread", unread, {"read": {"$ifNull": ["$mine.read", 0]}}),
    ]


def _lookup(name: str, pipeline: list[Document], let: Document | None = None) -> Document:
    stage: Document = {
        "from": "messages",
        "localField": "_id",
        "foreignField": "convo",
        "pipeline": pipeline,
        "as": name,
    }
    return {"$lookup": stage | ({"let": let} if let else {})}


def _listed(conversation: Conversation, row: Document) -> Listed:
    last = entry_of(row["last"][0]) if row["last"] else None
    return Listed(
        conversation=conversation,
        last_message=last,
        head=row["newest"][0]["seq"],
        unread=row["unread"][0]["count"] if row["unread"] else 0,
        markers=markers_of(row),
        updated_at=row["updated_at"] if last is None else last.timestamp,
    )


def _cursor_of(row: Document) -> str:
    return (
        base64.urlsafe_b64encode(
            msgspec.msgpack.encode((milliseconds(row["updated_at"]), row["_id"]))
        )
        .rstrip(b"=")
        .decode()
    )


def _cursor(text: str) -> tuple[datetime, str]:
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        at, id = msgspec.msgpack.decode(data, type=tuple[int, str])
        return datetime.fromtimestamp(at / 1000, UTC), id
    except (ValueError, OverflowError, OSError):
        raise InvalidInput(
            "This is not a cursor of a list of conversations.",
            problems=(FieldProblem("$.before", "expected the `next` of another page"),),
        ) from None
