"""An instance dies. Promises: an acknowledged message is never lost, none comes twice, all are in
order, and catch-up is exact."""

import asyncio

from tests.support.device import (
    Device,
    assert_exact,
    assert_in_order_of_sending,
    shows_all,
    talking,
)
from tests.support.system import System

BURST = 2_000


async def test_an_instance_killed_in_the_middle_of_sending_loses_nothing_and_doubles_nothing(
    own_system: System,
) -> None:
    system = own_system
    ann, bob = await system.person("ann"), await system.person("bob")
    here, there = (chat.url for chat in system.chats)
    async with (
        Device(ann, here, there) as phone,
        Device(ann, there, here) as laptop,
        Device(bob, here, there) as b,
        Device(bob, there, here) as tablet,
    ):
        async with talking(b, ann, "bob"), talking(laptop, bob, "laptop"):
            for number in range(BURST):
                phone.say(bob, f"burst {number}")
            await phone.until(lambda: len(phone.acks) > 100)
            system.chats[0].kill()
            assert len(phone.acks) < BURST
            await phone.until(lambda: not phone.outbox)
            sent = len(b.acks)
            await b.until(lambda: len(b.acks) > sent)
        total = sum(len(device.acks) for device in (phone, laptop, b))
        await shows_all((phone, laptop), bob, total)
        await shows_all((b, tablet), ann, total)
        history = await system.history(ann, bob, instance=1)
        assert len(history) == total
        assert_exact(history, (phone, laptop), (b, tablet))
        assert_in_order_of_sending(tablet, ann)
        assert phone.url == b.url == there
        assert phone.closes == b.closes == [1006]


async def test_instances_killed_in_turn_leave_one_gapless_conversation(own_system: System) -> None:
    system = own_system
    ann, bob = await system.person("ann"), await system.person("bob")
    urls = [chat.url for chat in system.chats]
    async with Device(ann, *urls) as a, Device(bob, *reversed(urls)) as b:
        async with talking(a, bob, "ann"), talking(b, ann, "bob"):
            for chat in (*system.chats, *system.chats):
                sent = len(a.acks), len(b.acks)
                await a.until(lambda sent=sent: len(a.acks) > sent[0] + 50)  # type: ignore[misc]
                await b.until(lambda sent=sent: len(b.acks) > sent[1] + 50)  # type: ignore[misc]
                chat.kill()
                await asyncio.to_thread(chat.start)
        total = len(a.acks) + len(b.acks)
        await shows_all((a,), bob, total)
        await shows_all((b,), ann, total)
        history = await system.history(bob, ann)
        assert len(history) == total
        assert_exact(history, (a,), (b,))
        assert_in_order_of_sending(a, bob)
