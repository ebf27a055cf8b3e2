"""Edits and deletions are entries of the log, and the message shows them."""

from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import aiohttp
import pymongo
import pytest

from tests.support.client import ChatClient, Event
from tests.support.device import Device, shows_all
from tests.support.system import Person, System


async def amend(
    system: System,
    person: Person,
    method: str,
    conversation: str,
    message: str,
    *,
    body: dict[str, Any] | None = None,
    id: str | None = None,
    instance: int = 0,
) -> tuple[int, dict[str, Any]]:
    path = f"/conversations/{conversation}/messages/{message}"
    async with (
        aiohttp.ClientSession(system.chats[instance].url, headers=person.headers) as http,
        http.request(method, path, json=body, params={"id": id} if id else None) as reply,
    ):
        return reply.status, await reply.json()


async def ack_of(client: ChatClient, op: str, **fields: Any) -> Event:
    seen = len(client.events)
    id = fields.setdefault("id", str(uuid4()))
    await client.send(op, **fields)
    return await client.wait_for(
        lambda event: event["type"] in ("ack", "error") and event.get("id") == id, seen
    )


async def test_an_edit_reaches_every_device_in_its_place_and_history(system: System) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    async with (
        system.connect(ann, 0) as a,
        system.connect(ann, 1) as tablet,
        system.connect(bob, 1) as b,
    ):
        sent = await a.said(bob.email, "helo")
        where = {"conversation": sent["conversation"], "message": sent["id"]}
        edit = await ack_of(a, "edit", text="hello", **where)
        assert (edit["type"], edit["seq"]) == ("ack", 2)
        after = await a.said(bob.email, "how are you?")
        for device in (b, tablet):
            event = await device.wait("edited")
            assert event["message"] == sent["id"]
            assert event["text"] == "hello"
            await device.wait("message", seq=after["seq"])
            assert [e["seq"] for e in device.events if "seq" in e] == [1, 2, 3]
    messages = await system.history(bob, ann)
    assert [(m["seq"], m["text"]) for m in messages] == [(1, "hello"), (3, "how are you?")]
    assert messages[0]["edited_at"] == edit["timestamp"]
    assert "edited_at" not in messages[1]


async def test_a_deleted_text_is_gone_from_the_database_and_from_every_view(
    system: System, mongo_url: str
) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    secrets = ("first-secret", "second-secret", "third-secret")
    async with system.connect(ann, 0) as a, system.connect(bob, 1) as b:
        sent = await a.said(bob.email, secrets[0])
        where = {"conversation": sent["conversation"], "message": sent["id"]}
        for text in secrets[1:]:
            await ack_of(a, "edit", text=text, **where)
        deletion = await ack_of(a, "delete", **where)
        event = await b.wait("deleted")
        assert (event["message"], event["seq"]) == (sent["id"], deletion["seq"])
    conversation = sent["conversation"]
    async with system.connect(bob, 0) as b:
        await b.resume({conversation: 0})
        entries = [event for event in b.events if "seq" in event]
        assert [(e["type"], e["seq"]) for e in entries] == [
            ("message", 1),
            ("edited", 2),
            ("edited", 3),
            ("deleted", 4),
        ]
        assert not any("text" in entry for entry in entries)
        assert entries[0]["deleted"]
    history = await system.history(ann, bob)
    assert [(m["seq"], m.get("text"), m["deleted"]) for m in history] == [(1, None, True)]
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        database = client[system.chat_database]
        stored = str([list(database[name].find()) for name in database.list_collection_names()])
    assert not any(secret in stored for secret in secrets)


async def test_amendments_sent_twice_are_stored_once(system: System) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    async with system.connect(ann, 0) as a, system.connect(ann, 1) as there:
        sent = await a.said(bob.email, "helo")
        conversation, message = sent["conversation"], sent["id"]
        id = str(uuid4())
        where = {"conversation": conversation, "message": message}
        first = await ack_of(a, "edit", id=id, text="hello", **where)
        assert await ack_of(a, "edit", id=id, text="hello", **where) == first
        assert await ack_of(there, "edit", id=id, text="hello", **where) == first
        body = {"text": "hello", "id": id}
        status, reply = await amend(system, ann, "PATCH", conversation, message, body=body)
        assert (status, reply["seq"], reply["id"]) == (200, first["seq"], id)
        status, reply = await amend(system, ann, "DELETE", conversation, message)
        assert (status, reply["seq"]) == (200, 3)
        again = await amend(system, ann, "DELETE", conversation, message, instance=1)
        assert again == (200, reply)
        assert (await a.said(bob.email, "next"))["seq"] == 4


async def test_the_other_one_cannot_take_the_id_of_a_deletion_beforehand(system: System) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    async with system.connect(ann) as a, system.connect(bob) as b:
        sent = await a.said(bob.email, "not for ever")
        taken = uuid5(NAMESPACE_OID, f"delete {UUID(sent['id'])}")
        assert (await b.said(ann.email, "mine", str(taken)))["type"] == "ack"
        status, reply = await amend(system, ann, "DELETE", sent["conversation"], sent["id"])
        assert (status, reply.get("seq")) == (200, 3)
        assert (await b.wait("deleted"))["message"] == sent["id"]
    assert [m.get("text") for m in await system.history(ann, bob)] == [None, "mine"]


async def test_an_id_of_another_kind_is_a_conflict(system: System) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    async with system.connect(ann) as a:
        sent = await a.said(bob.email, "hello")
        where = {"conversation": sent["conversation"], "message": sent["id"]}
        error = await ack_of(a, "edit", id=sent["id"], text="x", **where)
        assert error["code"] == "id_conflict"
        error = await ack_of(a, "delete", id=sent["id"], **where)
        assert error["code"] == "id_conflict"
    assert [m["text"] for m in await system.history(ann, bob)] == ["hello"]


async def test_only_the_sender_changes_a_message_and_only_one_that_is_there(
    system: System,
) -> None:
    ann, bob, carol = [await system.person(name) for name in ("ann", "bob", "carol")]
    async with system.connect(ann) as a, system.connect(bob) as b, system.connect(carol) as c:
        sent = await a.said(bob.email, "hello")
        other = await a.said(carol.email, "hi")
        conversation, message = sent["conversation"], sent["id"]

        async def code(client: ChatClient, op: str, **fields: Any) -> str:
            where = {"conversation": conversation, "message": message}
            return str((await ack_of(client, op, **(where | fields)))["code"])

        assert await code(b, "edit", text="x") == "not_sender"
        assert await code(b, "delete") == "not_sender"
        assert await code(c, "edit", text="x") == "not_participant"
        assert await code(a, "edit", text="x", message=str(uuid4())) == "unknown_message"
        assert await code(a, "edit", text="x", message=other["id"]) == "unknown_message"
        assert await code(a, "edit", text="x", conversation="nowhere") == "not_participant"
        assert await code(a, "edit", text=" ") == "invalid_input"
        assert await code(a, "edit", text="x" * 4001) == "invalid_input"
        await ack_of(a, "delete", conversation=conversation, message=message)
        assert await code(a, "edit", text="x") == "message_deleted"
        assert await code(a, "delete") == "message_deleted"
    for case, status in (("no-uuid", 404), (str(uuid4()), 404)):
        answer, problem = await amend(system, ann, "DELETE", conversation, case)
        assert (answer, problem["code"]) == (status, "unknown_message")


async def test_a_message_and_its_edits_from_two_instances_at_once_keep_one_order(
    system: System,
) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    one, other = (chat.url for chat in system.chats)
    async with Device(ann, one) as here, Device(ann, other) as there, Device(bob, one) as b:
        message = here.say(bob, "0")
        await here.until(lambda: message in here.acks)
        conversation, _ = here.acks[message]
        for number in range(25):
            here.edit(conversation, message, f"here {number}")
            there.edit(conversation, message, f"there {number}")
            there.say(bob, str(number))
        await shows_all((b,), ann, 76)
        last = [entry.text for entry in b.view(ann) if " " in (entry.text or "")][-1]
    history = await system.history(bob, ann)
    assert len(history) == 26
    assert history[0]["text"] == last


@pytest.mark.parametrize("limit", [1, 3, 200])
async def test_history_pages_both_ways_over_edits(system: System, limit: int) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    async with system.connect(ann) as a:
        for number in range(7):
            sent = await a.said(bob.email, str(number))
            where = {"conversation": sent["conversation"], "message": sent["id"]}
            await ack_of(a, "edit", text=f"{number}!", **where)
    forward = await system.history(bob, ann, page=limit)
    assert [m["text"] for m in forward] == [f"{number}!" for number in range(7)]
    backward: list[dict[str, Any]] = []
    async with aiohttp.ClientSession(system.chats[1].url, headers=bob.headers) as http:
        more = True
        before: dict[str, int] = {}
        while more:
            body = {"participants": [ann.email, bob.email], "limit": limit, **before}
            async with http.post("/messages", json=body) as reply:
                page = await reply.json()
            if not backward:
                assert 13 <= page["head"] <= 14  # the last message, or the edit after it
            backward = page["messages"] + backward
            more, before = page["has_more"], {"before": page["messages"][0]["seq"]}
    assert backward == forward
