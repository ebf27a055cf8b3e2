"""Signing up: what is taken, what is refused and leaves no trace, and one account an address."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from pymongo.database import Database

from auth_service.settings import AuthSettings
from tests.support.auth_service import PASSWORD, AuthService, Starter

Stored = Database[dict[str, Any]]


async def test_new_employee_is_answered_and_stored(auth: AuthService, stored: Stored) -> None:
    reply = await auth.sign_up(
        " Alice@Example.COM ", name=" Alice Jones ", department="R&D", role="Engineer"
    )
    assert reply.status == 201
    (document,) = stored.employees.find()
    created_at = reply.body.pop("created_at")
    assert reply.body == {
        "id": str(document["_id"]),
        "name": "Alice Jones",
        "email": "alice@example.com",
        "department": "R&D",
        "role": "Engineer",
    }
    assert datetime.fromisoformat(created_at) == document["created_at"]
    assert datetime.now(UTC) - document["created_at"] < timedelta(minutes=1)
    assert document["password"].startswith("$2b$04$")
    assert document.keys() == {
        *("_id", "name", "email", "department", "role", "password", "created_at", "updated_at"),
        "search",
    }


async def test_department_and_role_may_be_left_out(auth: AuthService) -> None:
    for email, fields in (("a@b.org", {}), ("c@d.org", {"department": None, "role": " "})):
        reply = await auth.sign_up(email, **fields)
        assert reply.status == 201
        assert (reply.body["department"], reply.body["role"]) == (None, None)


@pytest.mark.parametrize("again", ["alice@example.com", "ALICE@EXAMPLE.COM", " Alice@example.com"])
async def test_address_in_any_case_is_taken_once(
    auth: AuthService, stored: Stored, again: str
) -> None:
    await auth.sign_up("Alice@Example.com")
    reply = await auth.sign_up(again, password="another password")
    assert (reply.status, reply.code) == (409, "email_taken")
    assert stored.employees.count_documents({}) == 1
    assert (await auth.log_in("alice@example.com", PASSWORD)).status == 200


async def test_of_sign_ups_at_once_on_two_replicas_one_succeeds(
    auth: AuthService, settings: AuthSettings, start: Starter, stored: Stored
) -> None:
    replicas = [auth, await start(settings)] * 4
    replies = await asyncio.gather(
        *(replica.sign_up("alice@example.com", name=f"{n}") for n, replica in enumerate(replicas))
    )
    assert sorted(reply.status for reply in replies) == [201] + [409] * 7
    (document,) = stored.employees.find()
    (winner,) = (reply.body for reply in replies if reply.status == 201)
    assert document["name"] == winner["name"]


@pytest.mark.parametrize("password", ["x" * 8, "x" * 72, "é" * 36, "pass word  "])
async def test_password_up_to_72_bytes_logs_in_and_only_exactly(
    auth: AuthService, password: str
) -> None:
    assert (await auth.sign_up("alice@example.com", password=password)).status == 201
    assert (await auth.log_in("alice@example.com", password)).status == 200
    assert (await auth.log_in("alice@example.com", password[:-1])).status == 401


INVALID: list[tuple[dict[str, object], str]] = [
    ({"password": "x" * 7}, "$.password"),
    ({"password": ""}, "$.password"),
    ({"password": "x" * 73}, "$.password"),
    ({"password": "é" * 37}, "$.password"),
    ({"password": "12345678\x00"}, "$.password"),
    ({"password": None}, "$.password"),
    ({"password": 12345678}, "$.password"),
    ({"password": {"$gt": ""}}, "$.password"),
    ({"email": "alice"}, "$.email"),
    ({"email": "@example.com"}, "$.email"),
    ({"email": "alice@"}, "$.email"),
    ({"email": "a b@example.com"}, "$.email"),
    ({"email": "alice@example.com\x00"}, "$.email"),
    ({"email": "a" * 250 + "@b.org"}, "$.email"),
    ({"email": "a" * 1000}, "$.email"),
    ({"email": ""}, "$.email"),
    ({"email": {"$gt": ""}}, "$.email"),
    ({"email": ["alice@example.com"]}, "$.email"),
    ({"name": ""}, "$.name"),
    ({"name": "  "}, "$.name"),
    ({"name": "x" * 101}, "$.name"),
    ({"name": "Ali\x00ce"}, "$.name"),
    ({"name": {"$ne": None}}, "$.name"),
    ({"department": "x" * 101}, "$.department"),
    ({"department": "R\x00D"}, "$.department"),
    ({"department": {"$gt": ""}}, "$.department"),
    ({"role": "x" * 101}, "$.role"),
    ({"role": "\x00"}, "$.role"),
    ({"role": 1}, "$.role"),
    ({"admin": True}, "$"),
    ({"_id": "1"}, "$"),
]


async def test_every_invalid_field_is_named_and_nothing_is_stored(
    auth: AuthService, stored: Stored
) -> None:
    for fields, path in INVALID:
        reply = await auth.sign_up(**{"email": "alice@example.com"} | fields)  # type: ignore[arg-type]
        assert (reply.status, reply.code) == (422, "invalid_input"), fields
        assert reply.paths == [path], fields
    assert stored.employees.count_documents({}) == 0


async def test_missing_field_is_named_and_nothing_is_stored(
    auth: AuthService, stored: Stored
) -> None:
    whole = {"name": "Alice", "email": "alice@example.com", "password": PASSWORD}
    for missing in whole:
        body = {name: value for name, value in whole.items() if name != missing}
        reply = await auth.request("POST", "/employees", body=body)
        assert (reply.status, reply.code) == (422, "invalid_input")
        assert f"`{missing}`" in reply.body["detail"]
    assert stored.employees.count_documents({}) == 0


START = b'{"email":"alice@example.com","password":"correct horse","name":'
MALFORMED = [
    (b"", 400, "malformed_body"),
    (b"{", 400, "malformed_body"),
    (START + b'"Alice"', 400, "malformed_body"),
    (START + b'"\xff"}', 400, "malformed_body"),
    (START + b'"\\ud800"}', 400, "malformed_body"),
    (START + b'"\\udc00"}', 400, "malformed_body"),
    (START + b"[" * 30_000, 422, "invalid_input"),
    (b"[" * 30_000, 422, "invalid_input"),
    (b"null", 422, "invalid_input"),
    (b"[]", 422, "invalid_input"),
    (START + b'"' + b"x" * 70_000 + b'"}', 413, "body_too_large"),
]


async def test_every_malformed_body_is_refused_and_nothing_is_stored(
    auth: AuthService, stored: Stored
) -> None:
    for data, status, code in MALFORMED:
        reply = await auth.request("POST", "/employees", data=data)
        assert (reply.status, reply.code) == (status, code), data[:100]
        assert reply.headers["Content-Type"].startswith("application/problem+json"), data[:100]
    assert stored.employees.count_documents({}) == 0


async def test_body_of_another_type_is_refused(auth: AuthService) -> None:
    reply = await auth.request(
        "POST", "/employees", data=b"name=Alice", headers={"Content-Type": "text/plain"}
    )
    assert (reply.status, reply.code) == (415, "unsupported_media_type")


async def test_where_sign_up_is_closed_nobody_signs_up(
    settings: AuthSettings, start: Starter, stored: Stored
) -> None:
    auth = await start(msgspec.structs.replace(settings, sign_up="closed"))
    reply = await auth.sign_up("alice@example.com")
    assert (reply.status, reply.code) == (403, "sign_up_closed")
    assert stored.employees.count_documents({}) == 0


async def test_sign_up_can_be_for_some_domains_only(settings: AuthSettings, start: Starter) -> None:
    auth = await start(msgspec.structs.replace(settings, sign_up_domains=("example.com", "b.org")))
    for email in ("alice@example.com", "ALICE@B.ORG"):
        assert (await auth.sign_up(email)).status == 201
    for email in ("a@evil.example.com", "a@example.com.evil.org", "a@xexample.com", "a@b"):
        assert (await auth.sign_up(email)).code == "sign_up_closed"
