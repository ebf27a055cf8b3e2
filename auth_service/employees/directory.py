"""The directory: finding employees by the beginning of a name, of a part of it, or of an address.

It reads the collection `employees`, by the field `search`: the name from its beginning and from
each of its first words on, and the address, all folded. So "jon" finds Alice Jones, and "alice jo"
does, in any case and with or without accents; the index on it is a plain one. Documents without the
field, from an older system or an import, get it when somebody looks.
"""

import asyncio
import unicodedata
from base64 import b64decode, urlsafe_b64encode

from msgspec import Struct

from auth_service.employees.store import EXISTING, NAME, Employee, employee_of
from shared.decoding import invalid
from shared.errors import ServiceError
from shared.mongo import Collection, Database, Document, Mongo, reachable
from shared.observability.logs import get_logger

log = get_logger("directory")

LOOK_SECONDS = 30.0
MOST_LETTERS = 100
"""Of a folded name that are stored: a query has no more, and one character may fold to 18."""
MOST_WORDS = 8
"""Of a name by which it is found: each is stored with all that follow."""
UNSEEN: Document = {"search": 0, "password": 0}
AFTER_ALL = "\U0010ffff"
"""Sorts after whatever a text goes on with."""


class Page(Struct, frozen=True):
    """Employees in order of their addresses; `next` asks for those after them, if there are."""

    employees: list[Employee]
    next: str | None


class Directory:
    """Every method raises `Unavailable` while the database cannot be reached."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def search(
        self, query: str, department: str | None, cursor: str | None, limit: int
    ) -> Page:
        """A page of those who match. Pages are stable: nobody comes twice, and whoever is there all
        the time comes once. Raises `InvalidInput` where the cursor is none of ours."""
        wanted: Document = {**EXISTING, "email": {"$type": "string"}}
        prefix = folded(query)[:MOST_LETTERS]
        if prefix:
            wanted["search"] = {"$elemMatch": {"$gte": prefix, "$lt": prefix + AFTER_ALL}}
        if department is not None:
            wanted["department"] = department
        if cursor is not None:
            wanted["email"]["$gt"] = _decoded(cursor)
        with reachable():
            found = self._collection.find(wanted, UNSEEN).sort("email", 1).limit(limit + 1)
            rows = await found.to_list(limit + 1)
        employees = [employee_of(row) for row in rows[:limit]]
        return Page(employees, _encoded(employees[-1].email) if len(rows) > limit else None)

    async def run(self) -> None:
        """Make those findable who were added by others, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await make_findable(self._collection)
            except ServiceError as error:
                log.debug("the database cannot be looked through", reason=error.detail)

    @property
    def _collection(self) -> Collection:
        return self._mongo.ready_database()[NAME]


def search_terms(name: str, email: str) -> list[str]:
    """All beginnings by which this employee is found: few, and short, whatever the name."""
    words = folded(name)[:MOST_LETTERS].split(" ")
    terms = [" ".join(words[start:]) for start in range(min(len(words), MOST_WORDS))]
    return sorted({email, *terms} - {""})


def folded(text: str) -> str:
    """`text` without what nobody types the same way twice: case, accents, blanks."""
    plain = unicodedata.normalize("NFKD", text)
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return " ".join(letters.casefold().split())


async def prepare(database: Database) -> None:
    """Indexes, and the field for those who lack it; repeatable."""
    collection = database[NAME]
    await collection.create_index([("search", 1), ("email", 1)])
    await collection.create_index([("department", 1), ("email", 1)])
    await make_findable(collection)


async def make_findable(collection: Collection) -> None:
    """Give the field to those who lack it; where there are none it is one look into the index."""
    with reachable():
        async for row in collection.find({"search": None}, {"name": 1, "email": 1}):
            terms = search_terms(str(row.get("name") or ""), str(row.get("email") or ""))
            await collection.update_one(
                {"_id": row["_id"], "search": None}, {"$set": {"search": terms}}
            )


def _encoded(email: str) -> str:
    return urlsafe_b64encode(email.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> str:
    try:
        return b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        raise invalid("Expected what a reply had as `next` - at `$.cursor`") from None
