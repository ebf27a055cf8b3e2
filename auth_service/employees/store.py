"""Employees in MongoDB: who exists, under which address.

A document: `{_id, name, email, department, role, password, search, created_at, updated_at}`, the
password as a bcrypt hash. An `_id` is an ObjectId; in older data it may be a string. Documents of
older data may lack the times, and `search`, which belongs to the directory. `keep_session` is there
from a password change until all sessions but that one are revoked. `leaving` is when the employee
deleted their account: the document is deleted soon after.
"""

from contextlib import suppress
from datetime import datetime
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId
from msgspec import Struct
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.errors import EmailTaken, UnknownEmployee
from shared.mongo import Collection, Database, Document, Mongo, reachable
from shared.observability.logs import get_logger
from shared.times import now

log = get_logger("employees")

NAME = "employees"
AT_ONCE = 500
EXISTING: Document = {"leaving": None}
"""An employee who is leaving no longer exists, as far as anybody can tell."""
TEXT: Document = {"$type": "string", "$not": {"$type": "array"}}
"""A value that is text: `$type` alone also finds an array that has a text in it."""
UNREAD: Document = {"search": 0}
"""Only the directory's index needs it."""


class Employee(Struct, frozen=True):
    """One employee. `key` is the `_id` as stored, `id` the same as tokens and replies show it."""

    key: Any
    name: str
    email: str
    department: str | None
    role: str | None
    password: str
    created_at: datetime | None

    @property
    def id(self) -> str:
        return str(self.key)


class Employees:
    """Takes addresses as `shared.emails.normalise` returns them.

    Every method raises `Unavailable` while the database cannot be reached.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    @staticmethod
    async def prepare(database: Database) -> None:
        """Create the indexes, and put addresses of older data in lower case.

        Repeatable; several replicas may do it at once.
        """
        collection = database[NAME]
        await collection.create_index("email", unique=True)
        for note in ("leaving", "keep_session"):
            await collection.create_index(note, partialFilterExpression={note: {"$exists": True}})
        # Finds only addresses with capitals or blanks, by a scan of the index alone.
        async for document in collection.find({"email": {"$regex": r"[A-Z\s]"}}, {"email": 1}):
            email = str(document["email"])
            try:
                await collection.update_one(
                    {"_id": document["_id"], "email": email},
                    {"$set": {"email": email.strip().lower()}},
                )
            except DuplicateKeyError:
                log.error(
                    "two employees share an address; this one cannot log in until it has another",
                    employee=str(document["_id"]),
                )

    async def add(
        self,
        *,
        name: str,
        email: str,
        department: str | None,
        role: str | None,
        password: str,
        search: list[str],
    ) -> Employee:
        """Store a new employee with this password hash. Raises `EmailTaken`."""
        created_at = now()
        document: Document = {
            "_id": ObjectId(),
            "name": name,
            "email": email,
            "department": department,
            "role": role,
            "password": password,
            "search": search,
            "created_at": created_at,
            "updated_at": created_at,
        }
        try:
            with reachable():
                await self._collection.insert_one(document)
        except DuplicateKeyError:
            raise email_taken() from None
        return employee_of(document)

    async def find(self, email: str) -> Employee | None:
        with suppress(UnknownEmployee):
            return await self.get(email)
        return None

    async def exists(self, email: str) -> bool:
        """Whether the address is in use, even by an employee who is leaving."""
        with reachable():
            return await self._collection.find_one({"email": email}, {"_id": 1}) is not None

    async def get(self, email: str) -> Employee:
        """Raises `UnknownEmployee`."""
        return await self._get({"email": email, **EXISTING})

    async def get_by_id(self, employee: str, *, leaving: bool = False) -> Employee:
        """The employee of a token's `sub`; with `leaving`, also one who is leaving. Raises
        `UnknownEmployee`."""
        query: Document = {"_id": {"$in": _keys(employee)}}
        return await self._get(query if leaving else query | EXISTING)

    async def update(self, employee: str, changes: Document) -> Employee:
        """Set these fields of the employee of a token's `sub`. Raises `UnknownEmployee`."""
        with reachable():
            document: Document | None = await self._collection.find_one_and_update(
                {"_id": {"$in": _keys(employee)}, **EXISTING},
                {"$set": {**changes, "updated_at": now()}},
                UNREAD,
                return_document=ReturnDocument.AFTER,
            )
        return _known(document)

    async def renew_password(self, employee: Employee, password: str) -> None:
        """Replace the hash that `employee` was read with, unless it has changed since."""
        with reachable():
            await self._collection.update_one(
                {"_id": employee.key, "password": employee.password},
                {"$set": {"password": password, "updated_at": now()}},
            )

    async def change_password(self, employee: Employee, password: str, keep: str) -> bool:
        """Replace the hash that `employee` was read with, and note that all sessions but `keep`
        have to end. False if the hash has changed since."""
        with reachable():
            result = await self._collection.update_one(
                {"_id": employee.key, "password": employee.password},
                {"$set": {"password": password, "keep_session": keep, "updated_at": now()}},
            )
        return result.matched_count == 1

    async def with_sessions_to_end(self) -> list[tuple[Any, str]]:
        """Employees whose other sessions have to end: the `_id`, and the session to keep."""
        with reachable():
            rows = await self._collection.find(
                {"keep_session": {"$exists": True}}, {"keep_session": 1}
            ).to_list(AT_ONCE)
        return [(row["_id"], row["keep_session"]) for row in rows]

    async def sessions_ended(self, key: Any, keep: str) -> None:
        """Note that all sessions of the employee but `keep` have ended."""
        with reachable():
            await self._collection.update_one(
                {"_id": key, "keep_session": keep}, {"$unset": {"keep_session": ""}}
            )

    async def leave(self, employee: Employee) -> None:
        """Mark the employee as leaving. Repeatable."""
        with reachable():
            await self._collection.update_one(
                {"_id": employee.key, **EXISTING}, {"$set": {"leaving": now()}}
            )

    async def leaving(self) -> list[tuple[Employee, datetime]]:
        """Employees who are leaving, and since when."""
        query = {"leaving": {"$exists": True}}
        with reachable():
            rows = await self._collection.find(query, UNREAD).to_list(AT_ONCE)
        return [(employee_of(row), row["leaving"]) for row in rows]

    async def remove(self, key: Any) -> None:
        """Delete the document. Repeatable."""
        with reachable():
            await self._collection.delete_one({"_id": key})

    async def _get(self, query: Document) -> Employee:
        with reachable():
            return _known(await self._collection.find_one(query, UNREAD))

    @property
    def _collection(self) -> Collection:
        return self._mongo.ready_database()[NAME]


def email_taken() -> EmailTaken:
    return EmailTaken("Log in instead, or sign up with another address.")


def _known(document: Document | None) -> Employee:
    if document is None or not isinstance(document["email"], str):
        raise UnknownEmployee("There is no employee with this address or id.")
    return employee_of(document)


def _keys(employee: str) -> list[Any]:
    """The `_id`s that look like this in a token."""
    try:
        return [ObjectId(employee), employee]
    except InvalidId:
        return [employee]


def employee_of(document: Document) -> Employee:
    """The employee in a document of any origin: a field of another type counts as missing."""
    key = document["_id"]
    created_at = document.get("created_at")
    if not isinstance(created_at, datetime):
        created_at = key.generation_time if isinstance(key, ObjectId) else None
    return Employee(
        key=key,
        name=_text(document, "name") or document["email"],
        email=document["email"],
        department=_text(document, "department"),
        role=_text(document, "role"),
        password=_text(document, "password") or "",
        created_at=created_at,
    )


def _text(document: Document, field: str) -> str | None:
    value = document.get(field)
    return value if isinstance(value, str) else None
