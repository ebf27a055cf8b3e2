"""A deleted account, as the chat service sees it: sockets, presence, and by setting messages."""

import asyncio
import time

import aio_pika
from pymongo import MongoClient

from chat_service.accounts.feed import DEPARTURES
from shared.auth_events import EXCHANGE
from tests.cluster.conftest import Launch
from tests.support.accounts import accepts, ask, assert_closed_as_revoked
from tests.support.conditions import eventually
from tests.support.system import PASSWORD, Person, System


async def delete(system: System, person: Person, replica: int = 0) -> None:
    body = {"password": PASSWORD}
    auth = system.auths[replica]
    reply = await ask(auth, "DELETE", "/employees/me", body=body, token=person.token)
    assert reply.status == 204, reply


async def presence(system: System, asker: Person, of: Person) -> object:
    path = f"/presence?employee={of.email}"
    reply = await ask(system.chats[0], "GET", path, token=asker.token)
    assert reply.status == 200, reply
    return reply.body["presence"][0]


async def test_a_deleted_employee_is_cut_off_and_their_presence_is_blank(
    replicated: System,
) -> None:
    ann, ben = await replicated.person("ann"), await replicated.person("ben")
    await replicated.send(ann, ben, "hello")
    async with replicated.connect(ann, 0) as gone, replicated.connect(ben, 1) as partner:
        await partner.wait("presence", employee=ann.email, status="online")
        seen = len(partner.events)
        started = time.monotonic()
        await delete(replicated, ann, replica=1)
        await assert_closed_as_revoked(gone, started)
        for chat in replicated.chats:
            assert not await accepts(chat, ann)
        await partner.wait_for(
            lambda event: event["type"] == "presence" and event["status"] == "offline", seen
        )
        blank = await presence(replicated, ben, ann)
        assert isinstance(blank, dict)
        assert (blank["status"], blank["last_seen"]) == ("offline", None)
    assert [m["text"] for m in await replicated.history(ben, ann)] == ["hello"]
    status, reply = await replicated.send(ben, ann, "still there?")
    assert status in (201, 404), reply


async def test_messages_are_erased_where_that_is_set_up(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    system = await launch(mongo_url, amqp_url, settings={"DELETED_EMPLOYEES": "erase"})
    ann, ben, eve = [await system.person(name) for name in ("ann", "ben", "eve")]
    await system.send(ann, ben, "from ann to ben")
    await system.send(ben, ann, "from ben to ann")
    await system.send(ann, eve, "from ann to eve")
    await delete(system, ann)
    with MongoClient[dict[str, object]](mongo_url) as client:
        messages = client[system.chat_database]["messages"]
        await asyncio.to_thread(
            eventually,
            lambda: messages.count_documents({"sender": ann.email, "text": {"$exists": True}}) == 0,
        )
    history = await system.history(ben, ann)
    assert [(m["sender"], m.get("text")) for m in history] == [
        (ann.email, None),
        (ben.email, "from ben to ann"),
    ]
    assert [m.get("text") for m in await system.history(eve, ann)] == [None]


async def test_the_news_of_a_deletion_waits_for_a_chat_service_to_take_it(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    with MongoClient[dict[str, object]](mongo_url) as client:
        system = await launch(mongo_url, amqp_url)
        ann, ben = await system.person("ann"), await system.person("ben")
        await system.send(ann, ben, "hello")
        async with system.connect(ann, 0):
            shown = client[system.chat_database]["presence"]
            await asyncio.to_thread(
                eventually, lambda: shown.count_documents({"_id": ann.email}) == 1
            )
        for chat in system.chats:
            assert chat.stop() == 0
        await delete(system, ann)
        await asyncio.to_thread(system.chats[0].start)
        await asyncio.to_thread(eventually, lambda: shown.count_documents({"_id": ann.email}) == 0)
        departures = client[system.auth_database]["departures"]
        await asyncio.to_thread(
            eventually, lambda: departures.count_documents({"announced": True}) == 1
        )
        assert ann.email not in str(departures.find_one())


async def test_while_their_queue_is_away_chat_is_ready_and_hears_of_deletions_later(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    """As while the member of a cluster is away that has it."""
    system = await launch(mongo_url, amqp_url)
    ann, ben = await system.person("ann"), await system.person("ben")
    name = DEPARTURES + system.chat_database
    for chat in system.chats:
        assert chat.stop() == 0
    with MongoClient[dict[str, object]](mongo_url) as client:
        departures = client[system.auth_database]["departures"]

        async def announced(count: int) -> None:
            await asyncio.to_thread(
                eventually, lambda: departures.count_documents({"announced": True}) == count
            )

        async with await aio_pika.connect(amqp_url) as holder:
            channel = await holder.channel()
            await channel.queue_delete(name)
            await channel.declare_queue(name, exclusive=True)
            for chat in system.chats:
                await asyncio.to_thread(chat.start)
            await delete(system, ann)
        await announced(1)
        async with await aio_pika.connect(amqp_url) as other:
            await (await other.channel()).queue_delete(name)
        await delete(system, ben)
        await announced(2)


async def test_chat_hears_again_after_the_exchange_was_made_anew(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    """Nobody's connection or channel ends, only the bindings are gone."""
    system = await launch(mongo_url, amqp_url)
    ann = await system.person("ann")
    async with await aio_pika.connect(amqp_url) as other:
        channel = await other.channel()
        await channel.exchange_delete(EXCHANGE)
        await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
    await delete(system, ann)
    with MongoClient[dict[str, object]](mongo_url) as client:
        departures = client[system.auth_database]["departures"]
        await asyncio.to_thread(
            eventually, lambda: departures.count_documents({"announced": True}) == 1
        )
