"""MongoDB goes and comes back. Promise: meanwhile nothing is acknowledged, the sender gets an error
that says when to try again, and the service heals by itself; each message is there once."""

import asyncio

import aiohttp
import pytest

from deploy.local.backing.mongodb import MongoServer
from tests.cluster.conftest import Launch
from tests.support.conditions import eventually
from tests.support.device import Device, assert_exact, shows_all, talking
from tests.support.system import Service

MORE_THAN_A_WINDOW = 70
"""Sends; a socket has 64 under way (`MAX_IN_FLIGHT`)."""


@pytest.fixture
def own_mongo_url(own_mongo_server: MongoServer) -> str:
    own_mongo_server.resume()
    own_mongo_server.start()
    return own_mongo_server.url


async def lacks_mongodb(chat: Service) -> None:
    await asyncio.to_thread(eventually, lambda: chat.failing().keys() == {"mongodb"})


async def test_nothing_is_acknowledged_without_mongodb_and_each_message_is_there_once_after(
    launch: Launch, own_mongo_url: str, amqp_url: str, own_mongo_server: MongoServer
) -> None:
    system = await launch(own_mongo_url, amqp_url)
    ann, bob = await system.person("ann"), await system.person("bob")
    here, there = (chat.url for chat in system.chats)
    processes = [chat.pid for chat in system.chats]
    async with (
        Device(ann, here) as a,
        Device(ann, there) as a_elsewhere,
        Device(bob, there) as b,
        Device(bob, here) as b_elsewhere,
    ):
        async with talking(a, bob, "ann"), talking(b, ann, "bob"):
            await b.until(lambda: len(b.acks) > 50)
            await asyncio.to_thread(own_mongo_server.kill)
            await a.until(lambda: bool(a.refusals))
            await b.until(lambda: bool(b.refusals))
            acknowledged = len(a.acks), len(b.acks)
            async with (
                aiohttp.ClientSession(here) as http,
                http.put(
                    "/messages",
                    json={
                        "participants": [ann.email, bob.email],
                        "message": {"sender": ann.email, "text": "over HTTP"},
                    },
                    headers=ann.headers,
                ) as reply,
            ):
                assert reply.status == 503
                assert int(reply.headers["Retry-After"]) > 0
                assert (await reply.json())["code"] == "unavailable"
            for chat in system.chats:
                await lacks_mongodb(chat)
            assert (len(a.acks), len(b.acks)) == acknowledged
            await asyncio.to_thread(own_mongo_server.start)
            await a.until(lambda: len(a.acks) > acknowledged[0] + 50)
            await b.until(lambda: len(b.acks) > acknowledged[1] + 50)
        for refusal in (*a.refusals, *b.refusals):
            assert refusal["code"] == "unavailable"
            assert refusal["retry_after_ms"] > 0
        total = len(a.acks) + len(b.acks)
        await shows_all((a, a_elsewhere), bob, total)
        await shows_all((b, b_elsewhere), ann, total)
        history = await system.history(ann, bob)
        assert len(history) == total
        assert_exact(history, (a, a_elsewhere), (b, b_elsewhere))
        for chat in system.chats:
            await asyncio.to_thread(eventually, chat.is_ready)
        assert [chat.pid for chat in system.chats] == processes
        for device in (a, a_elsewhere, b, b_elsewhere):
            assert device.closes == []


async def test_a_mongodb_that_answers_nothing_for_a_while_costs_no_message(
    launch: Launch, own_mongo_url: str, amqp_url: str, own_mongo_server: MongoServer
) -> None:
    system = await launch(own_mongo_url, amqp_url)
    ann, bob = await system.person("ann"), await system.person("bob")
    here, there = (chat.url for chat in system.chats)
    async with Device(ann, here) as a, Device(bob, there) as b:
        async with talking(a, bob, "ann"), talking(b, ann, "bob"):
            await b.until(lambda: len(b.acks) > 50)
            own_mongo_server.pause()
            for chat in system.chats:
                await lacks_mongodb(chat)
            acknowledged = len(a.acks), len(b.acks)
            own_mongo_server.resume()
            await a.until(lambda: len(a.acks) > acknowledged[0] + 50)
            await b.until(lambda: len(b.acks) > acknowledged[1] + 50)
        total = len(a.acks) + len(b.acks)
        await shows_all((a,), bob, total)
        await shows_all((b,), ann, total)
        assert_exact(await system.history(ann, bob), (a,), (b,))


async def test_ops_that_wait_for_mongodb_are_no_pause_of_the_client_after_a_refusal(
    launch: Launch, own_mongo_url: str, amqp_url: str, own_mongo_server: MongoServer
) -> None:
    """It takes as long as a commit that gives up, and the pause that would count after it."""
    system = await launch(own_mongo_url, amqp_url, instances=1)
    ann, bob = await system.person("ann"), await system.person("bob")
    async with system.connect(ann) as a:
        await a.said(bob.email, "there is a conversation")
        await asyncio.to_thread(own_mongo_server.kill)
        first = await a.say(bob.email, "first")
        for number in range(6):  # each asks the database whether there is such a conversation
            await a.send("mark", conversation="another", read=1, id=str(number))
        second = await a.say(bob.email, "second")
        await a.wait("error", id=first)
        await a.wait("error", id="3")
        await asyncio.to_thread(own_mongo_server.start)
        await a.wait("error", id=second)
        while not a.of("ack", id=first):
            await a.said(bob.email, "first", first)
        assert (await a.said(bob.email, "second", second))["type"] == "ack"
    assert [one["id"] for one in await system.history(ann, bob)][1:] == [first, second]


async def test_what_waited_for_room_behind_a_refused_message_is_refused_alike(
    launch: Launch, own_mongo_url: str, amqp_url: str, own_mongo_server: MongoServer
) -> None:
    settings = {"MAX_WAIT_SECONDS": "1"}
    system = await launch(own_mongo_url, amqp_url, instances=1, settings=settings)
    ann, bob = await system.person("ann"), await system.person("bob")
    async with system.connect(ann) as a:
        await a.said(bob.email, "there is a conversation")
        own_mongo_server.pause()
        ids = [await a.say(bob.email, f"{number}") for number in range(MORE_THAN_A_WINDOW)]
        await a.until(lambda: bool(a.of("error")))
        own_mongo_server.resume()
        await a.until(lambda: len(a.of("ack")) + len(a.of("error")) == 1 + len(ids))
        stored = [ack["id"] for ack in a.of("ack")][1:]
        assert stored == ids[: len(stored)]
    assert [one["id"] for one in await system.history(ann, bob)][1:] == stored
