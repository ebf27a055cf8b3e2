"""Finding people in the directory, page by page; and what one may change of oneself."""

from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from bson import BSON, ObjectId
from pymongo.database import Database

from auth_service.settings import AuthSettings
from tests.support.auth_service import AuthService, Reply, Starter

Stored = Database[dict[str, Any]]
ME = "me@example.com"


async def found(auth: AuthService, token: str, **query: object) -> list[str]:
    reply = await look(auth, token, **query)
    assert reply.status == 200, reply.text
    return [employee["email"] for employee in reply.body["employees"]]


async def look(auth: AuthService, token: str, **query: object) -> Reply:
    return await auth.get(f"/employees?{urlencode(query)}", token=token)


PEOPLE = (
    ("alice@example.com", "Alice Jones", "R&D"),
    ("bob@example.com", "Bob van der Jonge", "R&D"),
    ("jon@sales.org", "Zoë Ångström", "Sales"),
    ("z.50%@x.org", "100% (.*) $gt", None),
)


@pytest.fixture
async def token(auth: AuthService) -> str:
    for email, name, department in PEOPLE:
        assert (await auth.sign_up(email, name=name, department=department)).status == 201
    member = await auth.member(ME)
    return str(member["access_token"])


async def test_people_are_found_by_how_a_name_or_an_address_begins(
    auth: AuthService, token: str
) -> None:
    for query, emails in (
        ("alice", ["alice@example.com", ME]),
        ("ALICE J", ["alice@example.com", ME]),
        ("jon", ["alice@example.com", "bob@example.com", "jon@sales.org", ME]),
        ("der jonge", ["bob@example.com"]),
        ("zoe", ["jon@sales.org"]),
        ("  zoë   ang", ["jon@sales.org"]),
        ("bob@exa", ["bob@example.com"]),
        ("lice", []),
        ("example", []),
        ("100%", ["z.50%@x.org"]),
        ("(.*)", ["z.50%@x.org"]),
        (".*", []),
        ("$gt", ["z.50%@x.org"]),
        ('{"$gt": ""}', []),
        ("nobody", []),
    ):
        assert await found(auth, token, query=query) == emails, query


async def test_a_department_is_exact_and_narrows_a_search(auth: AuthService, token: str) -> None:
    assert await found(auth, token, department="R&D") == ["alice@example.com", "bob@example.com"]
    assert await found(auth, token, department="R&D", query="bo") == ["bob@example.com"]
    assert await found(auth, token, department="r&d") == []


async def test_pages_are_stable_while_people_come_and_go(auth: AuthService, token: str) -> None:
    first = (await look(auth, token, limit=2)).body
    assert [one["email"] for one in first["employees"]] == ["alice@example.com", "bob@example.com"]
    await auth.sign_up("aaron@example.com")
    await auth.sign_up("carol@example.com")
    second = (await look(auth, token, limit=2, cursor=first["next"])).body
    assert [one["email"] for one in second["employees"]] == ["carol@example.com", "jon@sales.org"]
    third = (await look(auth, token, limit=2, cursor=second["next"])).body
    assert [one["email"] for one in third["employees"]] == [ME, "z.50%@x.org"]
    assert third["next"] is None


async def test_what_is_shown_of_people_is_no_secret(auth: AuthService, token: str) -> None:
    (alice,) = (await look(auth, token, query="alice@")).body["employees"]
    assert alice.keys() == {"id", "name", "email", "department", "role", "created_at"}


async def test_invalid_queries_are_refused(auth: AuthService, token: str) -> None:
    for query in (
        {"limit": 0},
        {"limit": 201},
        {"limit": "x"},
        {"cursor": "!"},
        {"cursor": "_w"},
        {"query": "x" * 101},
        {"sort": "name"},
        {"query[$gt]": ""},
    ):
        assert (await look(auth, token, **query)).code == "invalid_input", query
    assert (await auth.get("/employees")).status == 401


async def test_a_search_reads_as_much_as_it_finds(
    auth: AuthService, token: str, stored: Stored
) -> None:
    stored.employees.insert_many(
        {
            "email": f"x{number:05}@x.org",
            "name": "X",
            "search": ["x", f"x{number:05}@x.org"],
            "department": f"D{number % 100}",
        }
        for number in range(5000)
    )
    for query in (
        {"search": {"$elemMatch": {"$gte": "alice", "$lt": "alice\U0010ffff"}}},
        {"department": "D7"},
        {},
    ):
        explained = stored.command(
            "explain",
            {"find": "employees", "filter": {**query, "leaving": None}, "sort": {"email": 1}}
            | {"limit": 51},
            verbosity="executionStats",
        )
        assert explained["executionStats"]["totalDocsExamined"] <= 51, query


LARGEST = "\ufdfa" * 100
"""Each of these letters folds to 18, four words of them."""


async def test_however_large_a_name_folds_its_document_stays_small(
    auth: AuthService, token: str, stored: Stored
) -> None:
    assert (await auth.sign_up("x@x.org", name=LARGEST)).status == 201
    assert (await patch(auth, token, {"name": LARGEST})).status == 200
    for email in ("x@x.org", ME):
        (document,) = stored.employees.find({"email": email})
        assert len(BSON.encode(document)) < 10_000
    for query in ("\ufdfa", LARGEST, "x@x.org"):
        assert "x@x.org" in await found(auth, token, query=query)


async def test_a_name_is_found_by_each_of_its_first_words(auth: AuthService, token: str) -> None:
    await auth.sign_up("long@x.org", name="One Two Three Four Five Six Seven Eight Nine")
    for query in ("one two", "four five", "eight nine", "seven eight nine"):
        assert await found(auth, token, query=query) == ["long@x.org"], query


async def test_a_search_is_answered_from_what_it_shows_and_no_more(
    auth: AuthService, token: str, stored: Stored
) -> None:
    stored.command("profile", 2)
    await found(auth, token, limit=2)
    stored.command("profile", 0)
    (asked,) = stored["system.profile"].find({"op": "query", "command.sort": {"email": 1}})
    assert asked["command"]["limit"] == 3
    assert asked["command"]["projection"] == {"search": 0, "password": 0}


async def test_people_of_an_older_system_are_found_after_a_start(
    auth: AuthService, token: str, settings: AuthSettings, start: Starter, stored: Stored
) -> None:
    older = {"_id": ObjectId(), "name": "Olive Older", "email": "o@old.org", "password": "x"}
    stored.employees.insert_many([{"_id": ObjectId(), "name": "Olaf, without an address"}, older])
    await start(settings)
    assert await found(auth, token, query="ol") == ["o@old.org"]


async def patch(auth: AuthService, token: str, body: object) -> Reply:
    return await auth.request("PATCH", "/employees/me", body=body, token=token)


async def test_one_changes_ones_own_entry(auth: AuthService) -> None:
    member = await auth.member(ME)
    token = member["access_token"]
    reply = await patch(auth, token, {"name": " Al Öz ", "department": "R&D", "role": "Chief"})
    assert reply.status == 200
    changed = member["employee"] | {"name": "Al Öz", "department": "R&D", "role": "Chief"}
    assert reply.body == changed
    assert (await auth.get("/employees/me", token=token)).body == changed
    assert await found(auth, token, query="oz") == [ME]
    assert await found(auth, token, query="jones") == []
    reply = await patch(auth, token, {"department": None})
    assert reply.body == changed | {"department": None}
    refreshed = (await auth.refresh(member["refresh_token"])).body["access_token"]
    assert jwt.decode(refreshed, options={"verify_signature": False})["name"] == "Al Öz"


async def test_nothing_else_can_be_changed(auth: AuthService, stored: Stored) -> None:
    token = (await auth.member(ME))["access_token"]
    before = stored.employees.find_one()
    bodies: list[object] = [
        {},
        {"email": "other@example.com"},
        {"password": "another fine horse"},
        {"id": "1"},
        {"name": ""},
        {"name": "  "},
        {"name": None},
        {"name": {"$gt": ""}},
        {"name": "x" * 101},
        {"department": "\x00"},
        {"role": ["x"]},
        {"$set": {"name": "x"}},
        [],
    ]
    for body in bodies:
        assert (await patch(auth, token, body)).status == 422, body
    assert stored.employees.find_one() == before
