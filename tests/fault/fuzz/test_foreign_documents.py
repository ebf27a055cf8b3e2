"""Documents of another hand in the collections that the services use: nobody gets a fault for them.

`employees` is as it always was, so whatever the reference system put there may be met; documents of
its `convos`, with embedded messages, may be met where both systems were pointed at one database.
"""

from typing import Any
from uuid import uuid4

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from chat_service.log.conversation import between
from deploy.local.backing.mongodb import MongoServer
from tests.fault.fuzz.conftest import several
from tests.fault.fuzz.material import bson_values as odd
from tests.integration.deploy.import_convos.reference_system import HASH, NOON, Document, message
from tests.support.accounts import Reply, ask
from tests.support.client import ChatClient
from tests.support.system import PASSWORD, Person, Service, System
from tests.support.vitals import faults

OURS = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
FEW = 60


def drawn(strategy: st.SearchStrategy[Document], number: int = FEW) -> list[Document]:
    found: list[Document] = []

    @several(number)
    @given(document=strategy)
    def draw(document: Document) -> None:
        found.append(document)

    draw()
    return found


def put(server: MongoServer, database: str, collection: str, documents: list[Document]) -> int:
    """How many a database took."""
    taken = 0
    with MongoClient[Document](server.url, uuidRepresentation="standard") as client:
        for document in documents:
            try:
                client[database][collection].insert_one(document)
            except PyMongoError:
                continue
            taken += 1
    return taken


def assert_answered(reply: Reply, what: object) -> None:
    assert reply.status < 500, (what, reply)


employees = st.fixed_dictionaries(
    {
        "name": st.just("Reference Person") | odd,
        "password": st.sampled_from([OURS, HASH]) | odd,
    },
    optional={
        "department": odd,
        "role": odd,
        "created_at": odd,
        "updated_at": odd,
        "more": odd,
    },
)


@pytest.fixture
async def ann(target: System) -> Person:
    return await target.person("ann")


@pytest.fixture
async def bob(target: System) -> Person:
    return await target.person("bob")


async def test_employees_of_any_shape_are_met_without_a_fault(
    target: System, mongo_server: MongoServer, ann: Person
) -> None:
    documents = [
        row | {"email": f"odd{number}@example.org"} for number, row in enumerate(drawn(employees))
    ]
    documents += [{"email": email} for email in (5, ["a@b.c"], {"a": 1}, "no address", "")]
    documents.append({"name": "without an address"})
    assert put(mongo_server, target.auth_database, "employees", documents) > FEW
    auth = target.auth
    logged_in = 0
    for row in documents:
        email = row.get("email")
        reply = await ask(auth, "POST", "/login", body={"email": email, "password": PASSWORD})
        assert_answered(reply, row)
        if reply.status == 200:
            logged_in += 1
            await use(target, reply.body, row)
        if isinstance(email, str) and email:
            assert_answered(await ask(auth, "GET", f"/employees/{email}", token=ann.token), row)
            status, answer = await target.send(ann, Person(email, "", ""), "hello")
            assert status < 500, (row, answer)
    await pages(auth, "/employees?limit=10", "cursor", ann)
    await pages(auth, "/employees?query=re&limit=10", "cursor", ann)
    assert logged_in > 5
    # The operator is told of those, rightly.
    told = "a stored password is not a bcrypt hash"
    assert [line for line in faults(auth.log) if told not in line] == []
    assert faults(target.chats[0].log) == []


async def use(target: System, tokens: dict[str, Any], row: Document) -> None:
    """Somebody who could log in can do everything else."""
    token = tokens["access_token"]
    for path in ("/employees/me", "/sessions"):
        assert_answered(await ask(target.auth, "GET", path, token=token), row)
    reply = await ask(target.auth, "PATCH", "/employees/me", body={"role": "clerk"}, token=token)
    assert_answered(reply, row)
    body = {"refresh_token": tokens["refresh_token"]}
    assert_answered(await ask(target.auth, "POST", "/token/refresh", body=body), row)
    assert_answered(await ask(target.chats[0], "GET", "/conversations", token=token), row)


async def pages(service: Service, path: str, cursor: str, caller: Person) -> list[Any]:
    """All pages; every one is answered."""
    found: list[Any] = []
    query = path
    while True:
        reply = await ask(service, "GET", query, token=caller.token)
        assert reply.status == 200, (query, reply)
        found += next(value for value in reply.body.values() if isinstance(value, list))
        if not reply.body.get("next"):
            return found
        query = f"{path}&{cursor}={reply.body['next']}"


def convos(ann: Person, bob: Person) -> st.SearchStrategy[Document]:
    pair = [ann.email, bob.email]
    embedded = st.lists(st.just(message(ann.email, "hi", NOON)) | odd, max_size=3)
    shapes = [pair, pair[::-1], [*pair, "eve@example.org"], pair[:1], [pair[0], None], pair[0]]
    longer = st.lists(odd).map(lambda more: [ann.email, *more])
    return st.fixed_dictionaries(
        {
            "participants": st.sampled_from(shapes) | longer,
        },
        optional={
            "_id": st.text(max_size=20) | odd,
            "messages": embedded | odd,
            "markers": odd,
            "last_seq": odd,
            "created_at": odd,
            "updated_at": odd,
        },
    )


async def test_conversations_of_any_shape_hide_no_other(
    target: System, mongo_server: MongoServer, ann: Person, bob: Person
) -> None:
    chat = target.chats[0]
    documents = drawn(convos(ann, bob))
    documents.append({"_id": "embedded", "participants": [ann.email, bob.email], "messages": []})
    assert put(mongo_server, target.chat_database, "convos", documents) > FEW / 2
    ids = [row["_id"] for row in documents if isinstance(row.get("_id"), str)]
    real = between(ann.email, bob.email).id
    async with target.connect(ann) as client:
        await client.said(bob.email, "hello")
        resumed = await client.resume({})
        assert resumed["conversations"][real]["head"] == 1
        for id in ids:
            assert_no_fault(client, await client.resume({id: 0}))
        for id in ids:
            await client.send("mark", conversation=id, read=1)
            await client.send(
                "edit", conversation=id, message=str(uuid4()), id=str(uuid4()), text="x"
            )
        await client.ping()
        assert not client.of("error", code="internal_error")
    for person in (ann, bob):
        listed = await pages(chat, "/conversations?limit=5", "before", person)
        assert real in [one["conversation"] for one in listed]
        assert_answered(
            await ask(chat, "GET", f"/presence?employee={bob.email}", token=ann.token), 1
        )
    assert [one["text"] for one in await target.history(bob, ann)] == ["hello"]
    assert faults(chat.log) == []


def assert_no_fault(client: ChatClient, answer: Any) -> None:
    assert answer.get("code") != "internal_error", answer
    assert client.close_code is None


async def test_entries_without_a_conversation_do_not_stop_an_instance(
    target: System, mongo_server: MongoServer, ann: Person, bob: Person
) -> None:
    """They are found by nobody who looks by conversation, but an instance that starts reads the
    newest entries of all."""
    chat = target.chats[0]
    await target.send(ann, bob, "hello")
    rows = drawn(st.fixed_dictionaries({"text": odd}, optional={"seq": odd, "convo": odd}))
    assert put(mongo_server, target.chat_database, "messages", rows) > 0
    assert chat.stop() == 0
    chat.start()
    status, answer = await target.send(ann, bob, "hello again")
    assert status == 201, answer
    assert [one["text"] for one in await target.history(bob, ann)] == ["hello", "hello again"]
    assert faults(chat.log) == []
