"""The directory: finds employees by the beginning of their name, of a word of it, or of an address.

It reads the collection `employees` by the field `search`: the folded address, and the folded name
from its beginning and from each of its first words on. So both "jon" and "alice jo" find Alice
Jones, in any case, with or without accents, by a plain index. Documents that lack the field, from
an older system or an import, get it by a periodic backfill.
"""

import unicodedata

from msgspec import Struct

from auth_service.employees.store import EXISTING, NAME, TEXT, Employee, employee_of
from shared import base64url
from shared.decoding import invalid
from shared.mongo import Collection, Database, Document, Mongo, reachable
from shared.tasks import every

BACKFILL_SECONDS = 30.0
MOST_LETTERS = 100
"""Letters of a folded name that are stored. A query has no more, and a character may fold to 18."""
MOST_WORDS = 8
"""Words of a name by which it is found; each is stored together with all that follow."""
UNSEEN: Document = {"search": 0, "password": 0}
AFTER_ALL = "\U0010ffff"
"""Sorts after every continuation of a prefix."""


_AS_TYPED = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe", "ı": "i"}
    | {"þ": "th", "ŋ": "n", "ĸ": "k"}
)
"""Letters that Unicode does not decompose, as people write them who do not have them on their
keyboard. (`casefold` makes "ss" of "ß".)"""


class Page(Struct, frozen=True):
    """Employees in order of their addresses; `next` is the cursor of the next page, if any."""

    employees: list[Employee]
    next: str | None


class Directory:
    """Every method raises `Unavailable` while the database cannot be reached."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    @staticmethod
    async def prepare(database: Database) -> None:
        """Create the indexes, and run the first backfill. Repeatable."""
        collection = database[NAME]
        await collection.create_index([("search", 1), ("email", 1)])
        await collection.create_index([("department", 1), ("email", 1)])
        await _backfill(collection)

    async def search(
        self, query: str, department: str | None, cursor: str | None, limit: int
    ) -> Page:
        """A page of the employees that match. Paging is stable: nobody appears twice, and whoever
        exists throughout appears once. Raises `InvalidInput` for a cursor that is not ours."""
        wanted: Document = {**EXISTING, "email": dict(TEXT)}
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
        more = len(rows) > limit
        return Page(employees, base64url.encode(employees[-1].email.encode()) if more else None)

    async def run(self) -> None:
        """Backfill the documents that others have added, until cancelled."""
        await every(BACKFILL_SECONDS, lambda: _backfill(self._collection))

    @property
    def _collection(self) -> Collection:
        return self._mongo.ready_database()[NAME]


def search_terms(name: str, email: str) -> list[str]:
    """The texts whose prefixes find this employee; their number and length are bounded."""
    words = folded(name)[:MOST_LETTERS].split(" ")
    terms = [" ".join(words[start:]) for start in range(min(len(words), MOST_WORDS))]
    return sorted({email, *terms} - {""})


def folded(text: str) -> str:
    """`text` without case and accents, with single spaces: people type these differently."""
    plain = unicodedata.normalize("NFKD", text).casefold().translate(_AS_TYPED)
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return " ".join(letters.split())


async def _backfill(collection: Collection) -> None:
    """Add `search` where it is missing. If none is missing, this costs one index lookup."""
    with reachable():
        async for row in collection.find({"search": None, "email": TEXT}, {"name": 1, "email": 1}):
            terms = search_terms(str(row.get("name") or ""), str(row.get("email") or ""))
            await collection.update_one(
                {"_id": row["_id"], "search": None}, {"$set": {"search": terms}}
            )


def _decoded(cursor: str) -> str:
    try:
        return base64url.decode(cursor).decode()
    except ValueError:
        raise invalid("Expected the `next` of an earlier page - at `$.cursor`") from None
