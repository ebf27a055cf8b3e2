"""The employees who are gone, until everybody has been told. Owns the collection `departures`.

A document: `{_id, employee, email, deleted_at, announced}`. The `_id` is a digest of the address
and stays for good, since an address is never given out again: whoever got it would be shown the
conversations of the one who left. The address itself goes when the others have been told of it.
"""

import hashlib
from datetime import datetime

from shared.auth_events import DeletedEmployee
from shared.mongo import Collection, Database, Document, Mongo, reachable

NAME = "departures"


class Deletions:
    """Every method raises `Unavailable` while the database cannot be reached."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def add(self, gone: DeletedEmployee) -> None:
        """Somebody is gone; repeatable."""
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
        """Whether somebody who is gone had this address."""
        with reachable():
            return await self._collection.find_one({"_id": digest(email)}, {"_id": 1}) is not None

    async def unannounced(self, limit: int) -> list[DeletedEmployee]:
        """Those whom nobody has been told of."""
        with reachable():
            rows = await self._collection.find({"announced": False}).to_list(limit)
        return [_gone(row) for row in rows]

    async def announced(self, gone: DeletedEmployee) -> None:
        """Everybody who has to has been told."""
        with reachable():
            await self._collection.update_one(
                {"_id": digest(gone.email)}, {"$set": {"announced": True}, "$unset": {"email": ""}}
            )

    @property
    def _collection(self) -> Collection:
        return self._mongo.ready_database()[NAME]


def digest(email: str) -> bytes:
    """What is kept for good of this address, in the form of `shared.emails.normalise`."""
    return hashlib.sha256(email.encode()).digest()


async def prepare(database: Database) -> None:
    """The index; repeatable."""
    await database[NAME].create_index("announced", partialFilterExpression={"announced": False})


def _gone(row: Document) -> DeletedEmployee:
    deleted_at: datetime = row["deleted_at"]
    return DeletedEmployee(row["employee"], row["email"], deleted_at)
