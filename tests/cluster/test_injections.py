"""Database operators in place of values, in every field of every body: refused, never a fault."""

from typing import Any
from uuid import uuid4

import pytest

from chat_service.log.conversation import between
from tests.support.accounts import ask
from tests.support.system import PASSWORD, Person, System

INJECTIONS: tuple[object, ...] = (
    {"$gt": ""},
    {"$ne": None},
    {"$in": ["a", "b"]},
    {"$regex": ".*"},
    {"$where": "1"},
    {"$set": {"role": "admin"}},
    [{"$gt": ""}],
    ["a@b.org", {"$gt": ""}, {"$ne": 1}],
)
Body = dict[str, Any]


@pytest.fixture
async def pair(replicated: System) -> tuple[Person, Person]:
    ann, ben = await replicated.person("ann"), await replicated.person("ben")
    await replicated.send(ann, ben, "hello")
    return ann, ben


def bodies(ann: Person, ben: Person) -> list[tuple[bool, str, str, Body]]:
    """(of the auth service?, method, path, a body that would do)."""
    conversation = between(ann.email, ben.email).id
    pair = [ann.email, ben.email]
    message = {"sender": ann.email, "text": "hi", "id": str(uuid4())}
    return [
        (
            True,
            "POST",
            "/employees",
            {"name": "A", "email": "new@x.org", "password": PASSWORD}
            | {"department": "R", "role": "R"},
        ),
        (True, "POST", "/login", {"email": ann.email, "password": PASSWORD}),
        (True, "POST", "/token/refresh", {"refresh_token": ann.refresh_token}),
        (True, "PATCH", "/employees/me", {"name": "A", "department": "R", "role": "R"}),
        (
            True,
            "PUT",
            "/employees/me/password",
            {"current_password": PASSWORD, "new_password": "another fine horse"},
        ),
        (True, "DELETE", "/employees/me", {"password": PASSWORD}),
        (False, "POST", "/messages", {"participants": pair, "before": 9, "after": 0, "limit": 9}),
        (False, "PUT", "/messages", {"participants": pair, "message": message}),
        (
            False,
            "PATCH",
            f"/conversations/{conversation}/messages/{uuid4()}",
            {"text": "hi", "id": str(uuid4())},
        ),
        (False, "PUT", f"/conversations/{conversation}/markers", {"received": 1, "read": 1}),
    ]


def injected(body: Body) -> list[Body]:
    """`body` with each injection in each of its fields, those within others included, and keys."""
    spoilt = [body | {"$where": "1"}, body | {"$or": [{}, {"a": "b"}]}]
    for name, value in body.items():
        spoilt += [body | {name: injection} for injection in INJECTIONS]
        if isinstance(value, dict):
            spoilt += [body | {name: inner} for inner in injected(value)]
    return spoilt


async def test_operators_are_no_values(replicated: System, pair: tuple[Person, Person]) -> None:
    ann, ben = pair
    for of_auth, method, path, body in bodies(ann, ben):
        service = replicated.auths[1] if of_auth else replicated.chats[1]
        for spoilt in injected(body):
            reply = await ask(service, method, path, body=spoilt, token=ann.token)
            assert reply.status in (400, 422), (method, path, spoilt, reply)
    assert len(await replicated.history(ann, ben)) == 1


async def test_operators_are_no_query_parameters(
    replicated: System, pair: tuple[Person, Person]
) -> None:
    ann, _ = pair
    for path in ("/employees?query[$gt]=", "/employees?cursor[$ne]=1", "/employees?limit[$gt]=1"):
        assert (await ask(replicated.auth, "GET", path, token=ann.token)).status == 422, path
    for path in ("/conversations?limit[$gt]=1", "/presence?employee[$gt]="):
        assert (await ask(replicated.chats[0], "GET", path, token=ann.token)).status == 422, path
    reply = await ask(replicated.auth, "GET", "/employees/%7B%22$gt%22:%22%22%7D", token=ann.token)
    assert reply.status == 422
