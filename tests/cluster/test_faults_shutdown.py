"""Instances are stopped, or stopped in time. Promises: what is acknowledged is in the log, what is
not can be sent again, and everybody catches up exactly."""

import asyncio

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
from tests.support.system import System


async def test_instances_that_are_told_to_stop_during_traffic_say_goodbye_and_lose_nothing(
    own_system: System,
) -> None:
    system = own_system
    ann, bob = await system.person("ann"), await system.person("bob")
    here, there = (chat.url for chat in system.chats)
    async with (
        Device(ann, here, there) as a,
        Device(ann, there, here) as a_elsewhere,
        Device(bob, there, here) as b,
        Device(bob, here, there) as b_elsewhere,
    ):
        devices = (a, a_elsewhere, b, b_elsewhere)
        async with talking(a, bob, "ann"), talking(b, ann, "bob"):
            await b.until(lambda: len(b.acks) > 50)
            stopping = [asyncio.to_thread(chat.stop) for chat in system.chats]
            assert await asyncio.gather(*stopping) == [0, 0]
            for device in devices:
                await device.until(lambda device=device: bool(device.closes))  # type: ignore[misc]
                assert device.farewells[0]["reconnect_after_ms"] >= 0
                assert device.closes[0] == 1012
            for chat in system.chats:
                await asyncio.to_thread(chat.start)
            acknowledged = len(a.acks), len(b.acks)
            await a.until(lambda: len(a.acks) > acknowledged[0] + 50)
            await b.until(lambda: len(b.acks) > acknowledged[1] + 50)
        total = len(a.acks) + len(b.acks)
        await shows_all((a, a_elsewhere), bob, total)
        await shows_all((b, b_elsewhere), ann, total)
        history = await system.history(ann, bob)
        assert len(history) == total
        assert_exact(history, (a, a_elsewhere), (b, b_elsewhere))
        assert_in_order_of_sending(b_elsewhere, ann)


async def test_rolling_restarts_during_traffic_lose_nothing_and_keep_the_order(
    own_system: System,
) -> None:
    system = own_system
    ann, bob = await system.person("ann"), await system.person("bob")
    here, there = (chat.url for chat in system.chats)
    async with Device(ann, here, there) as a, Device(bob, there, here) as b:
        async with talking(a, bob, "ann"), talking(b, ann, "bob"):
            for chat in system.chats:
                acknowledged = len(a.acks), len(b.acks)
                await a.until(lambda n=acknowledged[0]: len(a.acks) > n + 50)  # type: ignore[misc]
                await b.until(lambda n=acknowledged[1]: len(b.acks) > n + 50)  # type: ignore[misc]
                assert await asyncio.to_thread(chat.stop) == 0
                await asyncio.to_thread(chat.start)
        total = len(a.acks) + len(b.acks)
        await shows_all((a,), bob, total)
        await shows_all((b,), ann, total)
        assert_exact(await system.history(ann, bob), (a,), (b,))
        assert_in_order_of_sending(b, ann)
        assert set(a.closes + b.closes) == {1012}
        assert not a.refusals
        assert not b.refusals


async def test_a_process_that_stood_still_until_it_was_cut_off_catches_up(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    """What a paused machine does: RabbitMQ drops a client that answers no heartbeats."""
    async with Relay(amqp_url) as relay:
        system = await launch(mongo_url, amqp_url, instance_settings={0: {"AMQP_URL": relay.url}})
        ann, bob = await system.person("ann"), await system.person("bob")
        frozen = system.chats[0]
        async with (
            Device(ann, frozen.url) as a,
            Device(ann, system.chats[1].url) as a_elsewhere,
            Device(bob, system.chats[1].url) as b,
        ):
            async with talking(b, ann, "bob"), talking(a, bob, "ann"):
                await b.until(lambda: len(b.view(ann)) > 50)
                frozen.pause()
                relay.cut()
                acknowledged = len(b.acks)
                await b.until(lambda: len(b.acks) > acknowledged + 100)
                relay.mend()
                frozen.resume()
                await a.until(lambda: a.resyncs > 0)
            total = len(a.acks) + len(b.acks)
            await shows_all((a, a_elsewhere), bob, total)
            await shows_all((b,), ann, total)
            assert_exact(await system.history(ann, bob), (a, a_elsewhere), (b,))
            assert_in_order_of_sending(a_elsewhere, bob)
            assert a.closes == []
            await asyncio.to_thread(eventually, frozen.is_ready)
