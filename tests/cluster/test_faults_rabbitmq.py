"""RabbitMQ goes and comes back. Promise: the broker is a hint, the database is the truth. Sends are
acknowledged throughout, and in the end everybody has everything, in order, once."""

import asyncio

import aio_pika
import pytest

from deploy.local.backing.rabbitmq import RabbitServer
from tests.cluster.conftest import Launch
from tests.support.conditions import eventually
from tests.support.device import (
    Device,
    assert_exact,
    assert_in_order_of_sending,
    shows_all,
    talking,
)
from tests.support.relay import Relay
from tests.support.system import Service, System


@pytest.fixture
def own_amqp_url(own_rabbit_server: RabbitServer) -> str:
    own_rabbit_server.resume()
    own_rabbit_server.start()
    return own_rabbit_server.url


async def ready(chat: Service) -> None:
    await asyncio.to_thread(eventually, chat.is_ready)


async def lacks_rabbitmq(chat: Service) -> None:
    await asyncio.to_thread(eventually, lambda: "rabbitmq" in chat.failing())


async def say(device: Device, to: Device, texts: range) -> None:
    """Returns when all are acknowledged."""
    for number in texts:
        device.say(to.person, f"said {number}")
    await device.until(lambda: not device.outbox)


async def test_everybody_catches_up_after_an_outage_of_rabbitmq_during_traffic(
    launch: Launch, mongo_url: str, own_amqp_url: str, own_rabbit_server: RabbitServer
) -> None:
    system = await launch(mongo_url, own_amqp_url)
    ann, bob = await system.person("ann"), await system.person("bob")
    here, there = (chat.url for chat in system.chats)
    async with (
        Device(ann, here) as a,
        Device(ann, there) as a_elsewhere,
        Device(bob, there) as b,
        Device(bob, here) as b_elsewhere,
    ):
        everyone = (a, a_elsewhere, b, b_elsewhere)
        async with talking(a, bob, "ann"), talking(b, ann, "bob"):
            await b.until(lambda: len(b.view(ann)) > 50)
            await asyncio.to_thread(own_rabbit_server.kill)
            for chat in system.chats:
                await lacks_rabbitmq(chat)
            seen = len(a.acks), len(b.acks), len(b_elsewhere.view(ann))
            await a.until(lambda: len(a.acks) > seen[0] + 100)
            await b.until(lambda: len(b.acks) > seen[1] + 100)
            await b_elsewhere.until(lambda: len(b_elsewhere.view(ann)) > seen[2] + 100)
            assert not a.refusals
            assert not b.refusals
            await asyncio.to_thread(own_rabbit_server.start)
            for device in everyone:
                await device.until(lambda device=device: device.resyncs > 0)  # type: ignore[misc]
            for chat in system.chats:
                await ready(chat)
        total = len(a.acks) + len(b.acks)
        await shows_all((a, a_elsewhere), bob, total)
        await shows_all((b, b_elsewhere), ann, total)
        assert_exact(await system.history(ann, bob), (a, a_elsewhere), (b, b_elsewhere))
        assert_in_order_of_sending(b, ann)
        assert [device.closes for device in everyone] == [[]] * 4


async def halves(launch: Launch, mongo_url: str, amqp_url: str, relay: Relay) -> System:
    """Two instances, of which the first reaches RabbitMQ through the relay."""
    return await launch(mongo_url, amqp_url, instance_settings={0: {"AMQP_URL": relay.url}})


async def test_what_an_instance_committed_while_it_was_cut_off_reaches_those_who_were_not(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    async with Relay(amqp_url) as relay:
        system = await halves(launch, mongo_url, amqp_url, relay)
        ann, bob, eve = [await system.person(name) for name in ("ann", "bob", "eve")]
        here, there = (chat.url for chat in system.chats)
        async with (
            Device(ann, here) as a,
            Device(bob, there) as b,
            Device(eve, there) as e,
            Device(ann, there) as a_elsewhere,
        ):
            await say(a, b, range(10))
            await shows_all((b,), ann, 10)
            relay.cut()
            await lacks_rabbitmq(system.chats[0])
            assert system.chats[1].is_ready()
            await say(a, b, range(10, 60))
            await say(a, e, range(20))  # their first
            await say(e, b, range(5))
            await shows_all((b,), eve, 5)
            relay.mend()
            await ready(system.chats[0])
            await shows_all((b,), ann, 60)
            await shows_all((e,), ann, 20)
            await shows_all((a_elsewhere,), bob, 60)
            await shows_all((a_elsewhere,), eve, 20)
            for device in (b, e, a_elsewhere):
                assert (device.resyncs, device.gaps) == (0, 0)
            assert_exact(await system.history(ann, bob), (a, a_elsewhere), (b,))
            assert_exact(await system.history(ann, eve), (a, a_elsewhere), (e,))


async def test_what_an_instance_committed_before_it_was_killed_cut_off_reaches_those_who_were_not(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    async with Relay(amqp_url) as relay:
        system = await halves(launch, mongo_url, amqp_url, relay)
        ann, bob, eve = [await system.person(name) for name in ("ann", "bob", "eve")]
        here, there = system.chats
        async with Device(bob, there.url) as b, Device(eve, there.url) as e:
            async with Device(ann, here.url) as a:
                await say(a, b, range(10))
                await shows_all((b,), ann, 10)
                relay.cut()
                await lacks_rabbitmq(here)
                await say(a, b, range(10, 20))
                await say(a, e, range(3))  # their first
                here.kill()
            relay.mend()
            await asyncio.to_thread(here.start)
            await shows_all((b,), ann, 20)
            await shows_all((e,), ann, 3)
            assert [entry.seq for entry in b.view(ann)] == list(range(1, 21))


async def test_what_others_committed_while_an_instance_was_cut_off_reaches_its_sockets(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    async with Relay(amqp_url) as relay:
        system = await halves(launch, mongo_url, amqp_url, relay)
        ann, bob = await system.person("ann"), await system.person("bob")
        here, there = (chat.url for chat in system.chats)
        async with Device(ann, here) as a, Device(bob, there) as b:
            await say(b, a, range(10))
            await shows_all((a,), bob, 10)
            relay.cut()
            await lacks_rabbitmq(system.chats[0])
            await say(b, a, range(10, 60))
            assert len(a.view(bob)) == 10
            async with Device(ann, here) as late:
                assert len(late.view(bob)) == 60  # from the log
                await say(b, a, range(60, 70))
                relay.mend()
                await shows_all((a, late), bob, 70)
                await a.until(lambda: a.resyncs == 1)
                assert_exact(await system.history(ann, bob), (a, late), (b,))
            await ready(system.chats[0])


async def test_sockets_of_an_instance_that_never_had_a_broker_miss_nothing_once_it_has(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    async with Relay(amqp_url) as relay:
        system = await halves(launch, mongo_url, amqp_url, relay)
        ann, bob = await system.person("ann"), await system.person("bob")
        here, there = system.chats
        relay.cut()
        await asyncio.to_thread(here.stop)
        here.launch()
        await asyncio.to_thread(eventually, lambda: only_lacks_rabbitmq(here))
        async with Device(ann, here.url) as a, Device(bob, there.url) as b:
            await say(b, a, range(10))
            relay.mend()
            await shows_all((a,), bob, 10)
            await say(b, a, range(10, 20))
            await shows_all((a,), bob, 20)
            assert_exact(await system.history(ann, bob), (a,), (b,))


def only_lacks_rabbitmq(chat: Service) -> bool:
    try:
        return chat.failing().keys() == {"rabbitmq", "revoked sessions"}
    except OSError:
        return False


async def test_an_instance_whose_connection_carries_nothing_is_not_ready_and_heals_by_itself(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    async with Relay(amqp_url) as relay:
        system = await halves(launch, mongo_url, amqp_url, relay)
        ann, bob = await system.person("ann"), await system.person("bob")
        here, there = (chat.url for chat in system.chats)
        async with Device(ann, here) as a, Device(bob, there) as b:
            async with talking(a, bob, "ann"), talking(b, ann, "bob"):
                await b.until(lambda: len(b.view(ann)) > 20)
                relay.freeze()
                await lacks_rabbitmq(system.chats[0])
                sent = len(a.acks)
                await a.until(lambda: len(a.acks) > sent + 20)
                relay.thaw()
                await ready(system.chats[0])
            total = len(a.acks) + len(b.acks)
            await shows_all((a,), bob, total)
            await shows_all((b,), ann, total)
            assert_exact(await system.history(ann, bob), (a,), (b,))
            assert not a.refusals


async def test_instances_that_lost_their_bindings_are_not_ready_and_heal_by_themselves(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    system = await launch(mongo_url, amqp_url)
    ann, bob = await system.person("ann"), await system.person("bob")
    here, there = (chat.url for chat in system.chats)
    async with Device(ann, here) as a, Device(bob, there) as b:
        await say(a, b, range(10))
        await shows_all((b,), ann, 10)
        await lose_all_bindings(amqp_url)
        await say(a, b, range(10, 20))
        await shows_all((b,), ann, 20)
        for chat in system.chats:
            await ready(chat)
        await say(a, b, range(20, 30))
        await shows_all((b,), ann, 30)
        assert_exact(await system.history(ann, bob), (a,), (b,))


async def lose_all_bindings(amqp_url: str) -> None:
    """As an operator would who deletes the exchange and makes it again: connections stay."""
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        await channel.exchange_delete("chat.events")
        await channel.declare_exchange("chat.events", aio_pika.ExchangeType.DIRECT, durable=True)
