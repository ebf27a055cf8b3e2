"""The list of conversations, unread counts and markers."""

import asyncio
from typing import Any

import aiohttp
import pymongo
import pytest

from tests.cluster.conftest import Launch
from tests.support.conditions import until
from tests.support.system import Person, System


async def conversations(
    system: System, person: Person, instance: int = 0, query: dict[str, str] | None = None
) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession(system.chats[instance].url, headers=person.headers) as http,
        http.get("/conversations", params=query) as reply,
    ):
        assert reply.status == 200, await reply.text()
        return dict(await reply.json())


async def mark(
    system: System, person: Person, conversation: str, instance: int = 0, **body: Any
) -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession(system.chats[instance].url, headers=person.headers) as http,
        http.put(f"/conversations/{conversation}/markers", json=body) as reply,
    ):
        return reply.status, await reply.json()


async def test_the_list_shows_what_was_said_last_most_recent_first(system: System) -> None:
    ann = await system.person("ann")
    others = [await system.person("bob") for _ in range(5)]
    assert await conversations(system, ann) == {"conversations": [], "next": None}
    async with system.connect(ann) as a:
        for other in others:
            await a.said(other.email, f"hello {other.email}")
        await a.said(others[0].email, "and again")
    order = [others[0], *reversed(others[1:])]
    listed = (await conversations(system, ann))["conversations"]
    assert [one["participants"] for one in listed] == [
        sorted([ann.email, other.email]) for other in order
    ]
    assert listed[0]["last_message"]["text"] == "and again"
    assert listed[0]["head"] == 2
    assert listed[0]["updated_at"] == listed[0]["last_message"]["timestamp"]
    paged: list[dict[str, Any]] = []
    query = {"limit": "2"}
    while True:
        page = await conversations(system, ann, 0, query)
        paged += page["conversations"]
        if page["next"] is None:
            break
        query["before"] = page["next"]
    assert paged == listed


async def test_unread_is_exact_across_instances_and_stops_at_a_hundred(system: System) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")

    async def unread() -> int:
        (one,) = (await conversations(system, bob, 1))["conversations"]
        return int(one["unread"])

    async with system.connect(ann, 0) as a, system.connect(bob, 1) as b:
        first = await a.said(bob.email, "1")
        for number in range(2, 31):
            await a.said(bob.email, str(number))
        assert await unread() == 30
        status, marker = await mark(system, bob, first["conversation"], read=12)
        assert (status, marker) == (200, {"employee": bob.email, "received": 12, "read": 12})
        assert await unread() == 18
        await a.send(
            "delete", id=first["id"][::-1], conversation=first["conversation"], message=first["id"]
        )
        await b.said(ann.email, "31")
        assert await unread() == 0  # whoever writes has read
        for number in range(120):
            await a.say(bob.email, str(number))
        await a.until(lambda: len(a.of("ack")) == 150)
        assert await unread() == 100
    assert (await conversations(system, ann))["conversations"][0]["unread"] == 0


async def test_markers_only_move_forward_and_not_beyond_the_head(system: System) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    async with (
        system.connect(ann, 0) as a,
        system.connect(bob, 1) as b,
        system.connect(bob, 0) as tablet,
    ):
        conversation = (await a.said(bob.email, "0"))["conversation"]
        for number in range(1, 10):
            await a.said(bob.email, str(number))
        await b.send("mark", conversation=conversation, received=7, read=4)
        for device in (a, tablet, b):
            marker = await device.wait("marker")
            assert marker["employee"] == bob.email
            assert (marker["received"], marker["read"]) == (7, 4)
        assert (await mark(system, bob, conversation, read=2))[1]["read"] == 4
        assert (await mark(system, bob, conversation, 1, received=1))[1]["received"] == 7
        _, marker = await mark(system, bob, conversation, 1, read=2**53 - 1)
        assert (marker["received"], marker["read"]) == (10, 10)
        await a.wait("marker", read=10)
        positions = [(event["received"], event["read"]) for event in a.of("marker")]
        assert positions == sorted(positions)
    listed = (await conversations(system, ann))["conversations"][0]
    assert {m["employee"]: (m["received"], m["read"]) for m in listed["markers"]} == {
        ann.email: (10, 10),
        bob.email: (10, 10),
    }


async def test_marks_are_checked(system: System) -> None:
    ann, bob, carol = [await system.person(name) for name in ("ann", "bob", "carol")]
    async with system.connect(ann) as a, system.connect(carol) as c:
        conversation = (await a.said(bob.email, "hello"))["conversation"]
        await c.send("mark", conversation=conversation, read=1, id="m1")
        assert (await c.wait("error"))["code"] == "not_participant"
    for person, body, status, code in (
        (carol, {"read": 1}, 403, "not_participant"),
        (ann, {}, 422, "invalid_input"),
        (ann, {"read": -1}, 422, "invalid_input"),
        (ann, {"read": "1"}, 422, "invalid_input"),
    ):
        answer, problem = await mark(system, person, conversation, **body)
        assert (answer, problem["code"]) == (status, code)


@pytest.mark.parametrize("before", ["x", "AAAA", "ktsAAAF0", "🎈", "kgGhYQ=="])
async def test_a_cursor_that_is_none_is_refused(system: System, before: str) -> None:
    ann = await system.person("ann")
    async with (
        aiohttp.ClientSession(system.chats[0].url, headers=ann.headers) as http,
        http.get("/conversations", params={"before": before}) as reply,
    ):
        assert reply.status in (200, 422)
        if reply.status == 422:
            assert (await reply.json())["errors"][0]["path"] == "$.before"


async def test_a_summary_that_a_crash_left_behind_is_made_good(
    system: System, mongo_url: str
) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    async with system.connect(ann) as a:
        conversation = (await a.said(bob.email, "0"))["conversation"]
        for number in range(1, 3):
            await a.said(bob.email, str(number))
    before = (await conversations(system, bob))["conversations"]
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        convos = client[system.chat_database]["convos"]
        convos.update_one({"_id": conversation}, {"$set": {"last_seq": 1}})
        assert (await conversations(system, bob, 1))["conversations"] == before
        await conversations(system, bob, 1)  # writes what the first one noticed
        assert convos.find_one({"_id": conversation})["last_seq"] == 3  # type: ignore[index]


async def test_a_sender_has_read_what_was_before_their_message_although_the_instance_crashed(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    system = await launch(mongo_url, amqp_url, instances=1, settings={"SUMMARY_SECONDS": "10"})
    ann, bob = await system.person("ann"), await system.person("bob")
    async with system.connect(bob) as b:
        for number in range(3):
            await b.said(ann.email, f"question {number}")
    async with system.connect(ann) as a:
        await a.said(bob.email, "answer")
    system.chats[0].kill()
    await asyncio.to_thread(system.chats[0].start)

    async def ann_has_read() -> bool:
        (listed,) = (await conversations(system, ann))["conversations"]
        read = {one["employee"]: one["read"] for one in listed["markers"]}
        return (read, listed["unread"]) == ({ann.email: 4, bob.email: 3}, 0)

    await until(ann_has_read)
