"""Employees who deleted their account. Owns the collection `departures`.

A document: `{_id, employee, email, deleted_at, announced}`. The `_id` is a digest of the address
and is kept for good, since an address is never given out again: whoever got it would see the
conversations of the employee who left. `email` itself is removed once the deletion is announced.
"""

import hashlib

from shared.auth_events import DeletedEmployee
from shared.mongo import Collection, Database, Mongo, reachable

NAME = "departures"


class Deletions:
    """Every method raises `Unavailable` while the database cannot be reached."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    @staticmethod
    async def prepare(database: Database) -> None:
        """Create the index. Repeatable."""
        await database[NAME].create_index("announced", partialFilterExpression={"announced": False})

    async def add(self, gone: DeletedEmployee) -> None:
        """Store a deletion that has to be announced. Repeatable."""
        with reachable():
            await self._collection.update_one(
                {"_id": digest(gone.email)},
                {
                    "$setOnInsert": {
                        "employee": gone.employee,
                        "email": gone.email,
                        "deleted_at": gone.deleted_at,
                        "announced": False,
                    }
                },
                upsert=True,
            )

    async def had(self, email: str) -> bool:
        """Whether an employee who deleted their account had this address."""
        with reachable():
            return await self._collection.find_one({"_id": digest(email)}, {"_id": 1}) is not None

    async def unannounced(self, limit: int) -> list[DeletedEmployee]:
        with reachable():
            rows = await self._collection.find({"announced": False}).to_list(limit)
        return [DeletedEmployee(row["employee"], row["email"], row["deleted_at"]) for row in rows]

    async def announced(self, gone: DeletedEmployee) -> None:
        """Note that other services have been told, and remove the address."""
        with reachable():
            await self._collection.update_one(
                {"_id": digest(gone.email)}, {"$set": {"announced": True}, "$unset": {"email": ""}}
            )

    @property
    def _collection(self) -> Collection:
        return self._mongo.ready_database()[NAME]


def digest(email: str) -> bytes:
    """What is kept for good of an address, in the form of `shared.emails.normalise`."""
    return hashlib.sha256(email.encode()).digest()
