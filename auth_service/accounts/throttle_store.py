"""How often something was tried, counted over all replicas. Owns the collection `throttles`.

A document: `{_id, strikes, at, until, allowed, wait, expires_at}`; a trusted pair of account and
address has `expires_at` alone. An `_id` is a digest: nobody's address or email is in it.

Not the library `limits`: its MongoDB storage opens a client of its own and knows windows, not
delays that grow, nor attempts that count until they turn out well. One update decides here, by the
clock of the database: however many replicas try at once, each attempt is counted before it is made.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct
from pymongo import DeleteOne, ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError
from pymongo.write_concern import WriteConcern

from shared.mongo import Collection, Database, Document, Mongo, reachable

NAME = "throttles"
STEEPEST = 40
"""More doublings than any delay needs, and fewer than overflow."""


class Limit(Struct, frozen=True):
    """`free` attempts cost nothing. After the next one comes a delay of `first` seconds, after each
    further one twice as much, up to `longest`. One attempt is forgiven every `forgiven` seconds."""

    name: str
    free: int
    forgiven: float
    first: float
    longest: float


class Taken(Struct, frozen=True):
    """An attempt: it was counted where `wait` is 0, and those after it have a delay up to `until`.
    Otherwise `wait` is how many seconds are left of a delay."""

    limit: Limit
    key: str
    wait: float
    until: datetime


class Throttles:
    """Every method raises `Unavailable` while the database cannot be reached.

    Its writes are not waited for by a majority: what an election loses is a few attempts.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def charge(self, limit: Limit, key: str) -> Taken:
        """Count an attempt, unless there is a delay."""
        try:
            document = await self._charge(limit, key)
        except DuplicateKeyError:  # two attempts were the first
            document = await self._charge(limit, key)
        wait = 0.0 if document["allowed"] else max(0.001, float(document["wait"]) / 1000)
        return Taken(limit, key, wait, document["until"])

    async def refund(self, charged: list[Taken]) -> None:
        """These attempts were none."""
        if charged:
            with reachable():
                await self._collection.bulk_write(_undone(charged), ordered=False)

    async def wait(self, limit: Limit, key: str) -> float:
        """Seconds that are left of a delay; counts nothing."""
        with reachable():
            found = await self._collection.find_one({"_id": _id(limit.name, key)}, {"until": 1})
        return _left(found)

    async def look(self, limit: Limit, key: str) -> tuple[float, bool]:
        """`wait`, and whether the key is trusted."""
        ids = [_id(limit.name, key), _id("trusted", key)]
        with reachable():
            rows = await self._collection.find({"_id": {"$in": ids}}, {"until": 1}).to_list(2)
        found = {row["_id"]: row for row in rows}
        return _left(found.get(ids[0])), ids[1] in found

    async def settle(self, limit: Limit, key: str, *, forgive: list[Taken], days: int) -> None:
        """An attempt turned out well: forget what was counted under `key` and trust it for some
        days, and take back what was charged under others."""
        end = datetime.now(UTC) + timedelta(days=days)
        writes: list[Any] = [
            DeleteOne({"_id": _id(limit.name, key)}),
            UpdateOne({"_id": _id("trusted", key)}, {"$set": {"expires_at": end}}, upsert=True),
        ]
        with reachable():
            await self._collection.bulk_write(writes + _undone(forgive), ordered=False)

    async def _charge(self, limit: Limit, key: str) -> Document:
        with reachable():
            document: Document = await self._collection.find_one_and_update(
                {"_id": _id(limit.name, key)},
                _attempt(limit),
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        return document

    @property
    def _collection(self) -> Collection:
        collection: Collection = self._mongo.ready_database().get_collection(
            NAME, write_concern=WriteConcern(w=1)
        )
        return collection


async def prepare(database: Database) -> None:
    """MongoDB removes what has no effect any more."""
    await database[NAME].create_index("expires_at", expireAfterSeconds=0)


def _attempt(limit: Limit) -> list[Document]:
    now = "$$NOW"
    until = {"$ifNull": ["$until", now]}
    allowed = {"$gte": [now, until]}
    elapsed = {"$subtract": [now, {"$ifNull": ["$at", now]}]}
    forgiven = {"$divide": [elapsed, limit.forgiven * 1000]}
    strikes = {"$max": [0, {"$subtract": [{"$ifNull": ["$strikes", 0]}, forgiven]}]}
    doublings = {"$min": [STEEPEST, {"$subtract": ["$strikes", limit.free + 1]}]}
    delay = {"$min": [limit.longest, {"$multiply": [limit.first, {"$pow": [2, doublings]}]}]}
    due = {"$cond": [{"$gt": ["$strikes", limit.free]}, {"$multiply": [delay, 1000]}, 0]}
    remembered = {"$multiply": ["$strikes", limit.forgiven * 1000]}
    return [
        {
            "$set": {
                "allowed": allowed,
                "wait": {"$subtract": [until, now]},
                "strikes": {"$add": [strikes, {"$cond": [allowed, 1, 0]}]},
                "at": now,
            }
        },
        {"$set": {"until": {"$cond": ["$allowed", {"$add": [now, due]}, "$until"]}}},
        {"$set": {"expires_at": {"$add": ["$until", remembered]}}},
    ]


def _undone(charged: list[Taken]) -> list[Any]:
    """A delay goes only where no later attempt made it longer."""
    return [
        UpdateOne(
            {"_id": _id(taken.limit.name, taken.key)},
            [
                {
                    "$set": {
                        "strikes": {"$max": [0, {"$subtract": ["$strikes", 1]}]},
                        "until": {
                            "$cond": [
                                {"$eq": ["$until", taken.until]},
                                {"$min": ["$until", "$$NOW"]},
                                "$until",
                            ]
                        },
                    }
                }
            ],
        )
        for taken in charged
    ]


def _left(document: Document | None) -> float:
    """By our own clock: near enough to refuse early; what counts is decided by the update."""
    if document is None:
        return 0.0
    left: timedelta = document["until"] - datetime.now(UTC)
    return max(0.0, left.total_seconds())


def _id(kind: str, key: str) -> bytes:
    return hashlib.sha256(f"{kind}\n{key}".encode()).digest()[:16]
