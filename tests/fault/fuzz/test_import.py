"""Documents of a reference system that nobody has looked after: the import takes what can be taken,
says what became of everything, and does nothing the second time."""

import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import bson
from bson import Decimal128, ObjectId
from bson.raw_bson import RawBSONDocument
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from pymongo.errors import BulkWriteError

from tests.fault.fuzz.conftest import several
from tests.fault.fuzz.material import bson_values, ids
from tests.integration.deploy.import_convos.reference_system import (
    HASH,
    NOON,
    Document,
    ReferenceSystem,
    message,
)

OUTCOME = re.compile(r" {2}\s*([\d,]+) (imported|already here|refused|skipped)$")
WIDTH = 14
"""Of the numbers of totals; those of reasons are indented further."""

addresses = ["ann@example.org", "Bob@Example.org ", "eve@example.org", "ann@EXAMPLE.org"]
GONE = "eve@example.org"
"""Deleted their account before the import, in some examples."""
some_ids = st.sampled_from([*ids, *map(str, ids), 1, 1.0, "1", b"1", {"a": 1}, Decimal128("1")])
emails = st.sampled_from([*addresses, "nobody", ""]) | bson_values
employees = st.fixed_dictionaries(
    {"_id": some_ids, "email": emails},
    optional={
        "name": bson_values,
        "department": bson_values,
        "role": bson_values,
        "password": st.sampled_from([HASH, HASH.encode(), "secret"]) | bson_values,
        "created_at": bson_values,
    },
)
GOOD = [
    {"_id": ids[0], "name": "Ann", "email": addresses[0], "password": HASH},
    {"_id": ids[1], "name": "Bob", "email": addresses[1], "password": HASH},
]
known = st.sampled_from([addresses[0], ids[1], str(ids[0]), str(ids[1]).upper(), "BOB@example.org"])
people = known | known | st.sampled_from([*addresses, *ids]) | bson_values
times = st.sampled_from([NOON, "2024-05-01T12:00:00Z", 1_714_564_800_000, "9" * 400]) | bson_values
messages = st.fixed_dictionaries(
    {"sender": people, "text": st.sampled_from(["hi", "ho", "", "x" * 20_001]) | bson_values},
    optional={"timestamp": times, "$odd": bson_values, "seq": bson_values},
)
convos = st.fixed_dictionaries(
    {
        "participants": st.permutations(addresses[:2]) | st.lists(people, max_size=3) | bson_values,
        "messages": st.lists(messages | messages | bson_values, max_size=6) | bson_values,
    },
    optional={"_id": bson_values, "extra": bson_values},
)
usual = st.fixed_dictionaries(
    {
        "participants": st.permutations(addresses[:2]),
        "messages": st.lists(messages, min_size=2, max_size=8),
    }
)
systems = st.tuples(
    st.lists(employees, min_size=1, max_size=5), st.lists(usual | convos, min_size=2, max_size=6)
)


class Totals(Struct, frozen=True):
    """By subject and outcome, as the import says at its end."""

    counts: Counter[tuple[str, str]]

    @classmethod
    def of(cls, output: str) -> "Totals":
        counts: Counter[tuple[str, str]] = Counter()
        subject = ""
        for line in output.splitlines():
            if line.endswith(":") and not line.startswith(" "):
                subject = line[:-1]
            found = OUTCOME.match(line)
            if found and found.end(1) == WIDTH:
                counts[subject, found[2]] += int(found[1].replace(",", ""))
        return cls(counts)

    def all_of(self, subject: str) -> int:
        return sum(number for (about, _), number in self.counts.items() if about == subject)


def put(reference: ReferenceSystem, name: str, documents: list[Document]) -> None:
    """Those that a database takes: not two of one `_id`, nor what cannot be one."""
    for document in documents:
        try:
            reference.source[name].insert_many([document])
        except BulkWriteError:
            continue


def written(reference: ReferenceSystem) -> int:
    """The messages of the reference."""
    arrays: Document = {"$expr": {"$isArray": "$messages"}}
    count: Document = {"_id": None, "count": {"$sum": {"$size": "$messages"}}}
    found = reference.source["convos"].aggregate([{"$match": arrays}, {"$group": count}])
    return sum(row["count"] for row in found)


def check(reference: ReferenceSystem) -> None:
    first = reference.run()
    totals = Totals.of(first.output)
    assert totals.all_of("employees") == reference.source["employees"].count_documents({})
    assert totals.all_of("messages") == written(reference), first.output
    here = list(reference.chat["messages"].find().sort([("convo", 1), ("seq", 1)]))
    assert len(here) == totals.counts["messages", "imported"]
    numbers: Counter[str] = Counter()
    for entry in here:
        numbers[entry["convo"]] += 1
        assert entry["seq"] == numbers[entry["convo"]]
    heads = {row["_id"]: row["last_seq"] for row in reference.chat["convos"].find()}
    assert heads == dict(numbers)
    before = reference.everything()
    second = Totals.of(reference.run().output)
    assert reference.everything() == before
    assert second.counts["messages", "imported"] == second.counts["employees", "imported"] == 0
    assert second.counts["messages", "already here"] == len(here)


def test_every_reference_document_is_imported_or_accounted_for(
    reference: ReferenceSystem,
) -> None:
    imported = Counter[str]()

    @several(60)
    @given(system=systems, gone=st.booleans())
    def example(system: tuple[list[Document], list[Document]], gone: bool) -> None:
        reference.forget()
        if gone:
            reference.leave(GONE)
        for name, documents in zip(("employees", "convos"), system, strict=True):
            reference.source[name].delete_many({})
            put(reference, name, [*GOOD, *documents] if name == "employees" else documents)
        check(reference)
        if gone:
            assert reference.auth["employees"].count_documents({"email": GONE}) == 0
            assert reference.chat["convos"].count_documents({"participants": GONE}) == 0
        imported["employees"] += reference.auth["employees"].count_documents({})
        imported["messages"] += reference.chat["messages"].count_documents({})

    example()
    assert imported["employees"] > 30
    assert imported["messages"] > 30


def test_text_that_is_no_utf8_and_dates_that_are_none_are_imported_as_far_as_they_go(
    reference: ReferenceSystem,
) -> None:
    ann, bob = reference.people("ann", "bob")
    far: list[Any] = [datetime(9999, 12, 31, tzinfo=UTC), bson.DatetimeMS(2**62)]
    document = {
        "_id": ObjectId(),
        "participants": [ann, bob],
        "messages": [message(ann, "caf@", NOON), *(message(bob, "later", at) for at in far)],
    }
    broken = bson.encode(document).replace(b"caf@", b"caf\xe9")
    reference.source["convos"].insert_one(RawBSONDocument(broken))
    check(reference)
    assert reference.texts(ann, bob) == ["caf\ufffd", "later", "later"]
