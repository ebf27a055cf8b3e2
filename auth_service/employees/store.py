"""The employees: who exists, under which address. Owns the collection `employees`.

Documents are what they always were: `{_id, name, email, department, role, password}`, the
password as a bcrypt hash, and now `created_at` and `updated_at`. An `_id` is an ObjectId; those of
older data may be strings. `search` is the directory's. `keep_session` is there while sessions have
still to be ended after a change of the password: all but that one. `leaving` is when somebody
deleted their account: the rest of them goes soon.
"""

from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId
from motor.motor_asyncio import AsyncIOMotorCollection
from msgspec import Struct
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.errors import EmailTaken, UnknownEmployee
from shared.mongo import Database, Document, Mongo, reachable
from shared.observability.logs import get_logger

log = get_logger("employees")

NAME = "employees"
AT_ONCE = 500
EXISTING: Document = {"leaving": None}
"""Whoever is about to be deleted does not exist for anybody."""
UNREAD: Document = {"search": 0}
"""What only the directory's index needs."""


class Employee(Struct, frozen=True):
    """One employee; `key` is the `_id` as stored, `id` is how tokens and replies write it."""

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
    """Emails are given in the form of `shared.emails.normalise`.

    Every method raises `Unavailable` while the database cannot be reached.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

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
        now = _now()
        document: Document = {
            "_id": ObjectId(),
            "name": name,
            "email": email,
            "department": department,
            "role": role,
            "password": password,
            "search": search,
            "created_at": now,
            "updated_at": now,
        }
        try:
            with reachable():
                await self._collection.insert_one(document)
        except DuplicateKeyError:
            raise email_taken() from None
        return employee_of(document)

    async def find(self, email: str) -> Employee | None:
        with reachable():
            document = await self._collection.find_one({"email": email, **EXISTING}, UNREAD)
        return None if document is None else employee_of(document)

    async def exists(self, email: str) -> bool:
        """Whether the address is in use, be it by somebody who leaves."""
        with reachable():
            return await self._collection.find_one({"email": email}, {"_id": 1}) is not None

    async def get(self, email: str) -> Employee:
        """Raises `UnknownEmployee`."""
        return _known(await self.find(email))

    async def get_by_id(self, employee: str, *, leaving: bool = False) -> Employee:
        """The employee of a token's `sub`, with `leaving` also one who is about to go. Raises
        `UnknownEmployee`."""
        query: Document = {"_id": {"$in": _keys(employee)}}
        with reachable():
            document = await self._collection.find_one(
                query if leaving else query | EXISTING, UNREAD
            )
        return _known(None if document is None else employee_of(document))

    async def update(self, employee: str, changes: Document) -> Employee:
        """Set these fields of the employee of a token's `sub`. Raises `UnknownEmployee`."""
        with reachable():
            document: Document | None = await self._collection.find_one_and_update(
                {"_id": {"$in": _keys(employee)}, **EXISTING},
                {"$set": {**changes, "updated_at": _now()}},
                UNREAD,
                return_document=ReturnDocument.AFTER,
            )
        return _known(None if document is None else employee_of(document))

    async def renew_password(self, employee: Employee, password: str) -> None:
        """Replace the hash that `employee` was read with, unless it has changed since."""
        with reachable():
            await self._collection.update_one(
                {"_id": employee.key, "password": employee.password},
                {"$set": {"password": password, "updated_at": _now()}},
            )

    async def change_password(self, employee: Employee, password: str, keep: str) -> bool:
        """Replace the hash that `employee` was read with, and note that all sessions but `keep`
        have to end; False where it has changed since."""
        with reachable():
            result = await self._collection.update_one(
                {"_id": employee.key, "password": employee.password},
                {"$set": {"password": password, "keep_session": keep, "updated_at": _now()}},
            )
        return result.matched_count == 1

    async def with_sessions_to_end(self) -> list[tuple[Any, str]]:
        """Employees whose password was changed: the `_id`, and the session to keep."""
        with reachable():
            rows = await self._collection.find(
                {"keep_session": {"$exists": True}}, {"keep_session": 1}
            ).to_list(AT_ONCE)
        return [(row["_id"], row["keep_session"]) for row in rows]

    async def sessions_ended(self, key: Any, keep: str) -> None:
        """All sessions but `keep` of the employee have ended."""
        with reachable():
            await self._collection.update_one(
                {"_id": key, "keep_session": keep}, {"$unset": {"keep_session": ""}}
            )

    async def leave(self, employee: Employee) -> None:
        """From now on this employee exists for nobody; repeatable."""
        with reachable():
            await self._collection.update_one(
                {"_id": employee.key, **EXISTING}, {"$set": {"leaving": _now()}}
            )

    async def who_leave(self) -> list[tuple[Employee, datetime]]:
        """Employees who are about to go, and when they decided so."""
        query = {"leaving": {"$exists": True}}
        with reachable():
            rows = await self._collection.find(query, UNREAD).to_list(AT_ONCE)
        return [(employee_of(row), row["leaving"]) for row in rows]

    async def remove(self, key: Any) -> None:
        """Delete the document; repeatable."""
        with reachable():
            await self._collection.delete_one({"_id": key})

    @property
    def _collection(self) -> AsyncIOMotorCollection[Document]:
        return self._mongo.ready_database()[NAME]


async def prepare(database: Database) -> None:
    """Make the index that keeps emails unique, and normalise addresses from before that was done.

    Repeatable, and safe to do in several replicas at once.
    """
    collection = database[NAME]
    await collection.create_index("email", unique=True)
    await collection.create_index("leaving", partialFilterExpression={"leaving": {"$exists": True}})
    await collection.create_index(
        "keep_session", partialFilterExpression={"keep_session": {"$exists": True}}
    )
    # Only addresses with capitals or blanks: a scan of the index, and of nothing else.
    async for document in collection.find({"email": {"$regex": r"[A-Z\s]"}}, {"email": 1}):
        email = str(document["email"])
        try:
            await collection.update_one(
                {"_id": document["_id"], "email": email}, {"$set": {"email": email.strip().lower()}}
            )
        except DuplicateKeyError:
            log.error(
                "two employees share one address, and this one cannot log in: give it another",
                employee=str(document["_id"]),
            )


def email_taken() -> EmailTaken:
    return EmailTaken("Log in instead, or sign up with another address.")


def _known(employee: Employee | None) -> Employee:
    if employee is None:
        raise UnknownEmployee("Nobody signed up with this address.")
    return employee


def _keys(employee: str) -> list[Any]:
    """The `_id`s that are written like this."""
    try:
        return [ObjectId(employee), employee]
    except InvalidId:
        return [employee]


def employee_of(document: Document) -> Employee:
    """The employee in a document, whoever wrote it: a field of another type counts as missing."""
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


def _now() -> datetime:
    """In whole milliseconds, as MongoDB keeps it, so that what is answered is what is stored."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
