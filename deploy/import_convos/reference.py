"""The reference system's database: `employees`, and `convos` with their messages embedded.

Only read, and never a whole collection or a whole conversation at once: the server unwinds the
messages, and they arrive in batches.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from bson import ObjectId
from msgspec import Struct
from pymongo.database import Database

Document = dict[str, Any]

ROWS_AT_ONCE = 1000


class Convo(Struct, frozen=True):
    """A reference conversation without its messages: `messages` is their number, None where the
    document has something else there."""

    id: Any
    participants: Any
    messages: int | None


class Row(Struct, frozen=True, gc=False):
    """An element of a `messages` array, whatever it is, and its index."""

    position: int
    message: Any


class Reference:
    def __init__(self, database: Database[Document]) -> None:
        """The database of a client that tolerates bad text and dates; see `connect`."""
        self._database = database

    def employees(self) -> Iterator[Document]:
        yield from self._database["employees"].find().sort("_id", 1).batch_size(ROWS_AT_ONCE)

    def convos(self) -> Iterator[Convo]:
        """All of them, by `_id`; the server counts the messages."""
        kept = {
            "participants": 1,
            "messages": {
                "$switch": {
                    "branches": [
                        {"case": {"$isArray": "$messages"}, "then": {"$size": "$messages"}},
                        {"case": {"$lte": ["$messages", None]}, "then": 0},
                    ],
                    "default": None,
                }
            },
        }
        pipeline: list[Document] = [{"$sort": {"_id": 1}}, {"$project": kept}]
        with self._database["convos"].aggregate(pipeline, batchSize=ROWS_AT_ONCE) as found:
            for row in found:
                yield Convo(row["_id"], row.get("participants"), row["messages"])

    def messages(self, ids: Sequence[Any]) -> Iterator[tuple[Any, Iterator[Row]]]:
        """The messages of these conversations in the order of their arrays, by conversation; the
        conversations in any order. Take the rows of one before asking for the next."""
        pipeline: list[Document] = [
            {"$match": {"_id": {"$in": list(ids)}}},
            {"$project": {"messages": 1}},
            {"$unwind": {"path": "$messages", "includeArrayIndex": "position"}},
        ]
        with self._database["convos"].aggregate(pipeline, batchSize=ROWS_AT_ONCE) as found:
            for convo, rows in groupby(found, key=lambda row: row["_id"]):
                yield convo, (Row(int(row["position"]), row.get("messages")) for row in rows)


def name(id: Any) -> str:
    """An `_id` in writing, different for different ids."""
    return str(id) if isinstance(id, ObjectId) else repr(id)
