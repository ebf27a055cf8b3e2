"""Counts attempts over all replicas. Owns the collection `throttles`.

A document: `{_id, strikes, at, until, allowed, wait, expires_at}`; a trusted pair of account and
address has `expires_at` alone. An `_id` is a digest, so no address or email is stored.

Not the library `limits`: its MongoDB storage opens a client of its own and knows windows, not
growing delays, nor attempts that count until they succeed. Here one update decides, by the
database's clock: however many replicas try at once, each attempt is counted before it is made.
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
"""Doublings of a delay at most: more than any limit needs, and too few to overflow."""


class Limit(Struct, frozen=True):
    """The first `free` attempts cost nothing. The next is followed by a delay of `first` seconds,
    each further one by twice the delay before, up to `longest`. One attempt is forgiven every
    `forgiven` seconds."""

    name: str
    free: int
    forgiven: float
    first: float
    longest: float


class Charge(Struct, frozen=True):
    """The outcome of an attempt. If `wait` is 0 it was counted, and the next must wait `until`;
    otherwise it was not counted, and `wait` is how many seconds of a delay are left."""

    limit: Limit
    key: str
    wait: float
    until: datetime


class Throttles:
    """Every method raises `Unavailable` while the database cannot be reached.

    Writes do not wait for a majority: an election may lose a few attempts.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    @staticmethod
    async def prepare(database: Database) -> None:
        """Create the index by which MongoDB deletes what no longer has an effect. Repeatable."""
        await database[NAME].create_index("expires_at", expireAfterSeconds=0)

    async def charge(self, limit: Limit, key: str) -> Charge:
        """Count an attempt, unless a delay is running."""
        try:
            document = await self._charge(limit, key)
        except DuplicateKeyError:  # two attempts were the first
            document = await self._charge(limit, key)
        wait = 0.0 if document["allowed"] else max(0.001, float(document["wait"]) / 1000)
        return Charge(limit, key, wait, document["until"])

    async def refund(self, charges: list[Charge]) -> None:
        """Take these back, as if the attempts had not been made."""
        if charges:
            with reachable():
                await self._collection.bulk_write(_refunds(charges), ordered=False)

    async def wait(self, limit: Limit, key: str) -> float:
        """How many seconds of a delay are left. Counts nothing."""
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

    async def settle(self, limit: Limit, key: str, *, refund: list[Charge], days: int) -> None:
        """An attempt succeeded: clear the count of `key`, trust `key` for `days`, and `refund` what
        was charged to others."""
        end = datetime.now(UTC) + timedelta(days=days)
        writes: list[Any] = [
            DeleteOne({"_id": _id(limit.name, key)}),
            UpdateOne({"_id": _id("trusted", key)}, {"$set": {"expires_at": end}}, upsert=True),
        ]
        with reachable():
            await self._collection.bulk_write(writes + _refunds(refund), ordered=False)

    async def _charge(self, limit: Limit, key: str) -> Document:
        with reachable():
            document: Document = await self._collection.find_one_and_update(
                {"_id": _id(limit.name, key)},
                _counted(limit),
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


def _counted(limit: Limit) -> list[Document]:
    """The update that counts an attempt and sets the next delay, or only reads a running one."""
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


def _refunds(charges: list[Charge]) -> list[Any]:
    """A delay is cleared only if no later attempt has made it longer."""
    strikes = {"$max": [0, {"$subtract": ["$strikes", 1]}]}
    cleared = {"$min": ["$until", "$$NOW"]}
    writes = []
    for charge in charges:
        until = {"$cond": [{"$eq": ["$until", charge.until]}, cleared, "$until"]}
        update = [{"$set": {"strikes": strikes, "until": until}}]
        writes.append(UpdateOne({"_id": _id(charge.limit.name, charge.key)}, update))
    return writes


def _left(document: Document | None) -> float:
    """Seconds by our own clock: good enough to refuse early, since the update decides."""
    if document is None:
        return 0.0
    left: timedelta = document["until"] - datetime.now(UTC)
    return max(0.0, left.total_seconds())


def _id(kind: str, key: str) -> bytes:
    return hashlib.sha256(f"{kind}\n{key}".encode()).digest()[:16]
