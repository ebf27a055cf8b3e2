"""A socket stops reading. Promise: a slow client hurts only itself."""

import asyncio

from tests.support.conditions import eventually
from tests.support.device import Device, Received, assert_exact, shows_all, talking
from tests.support.system import System

LONG = "x" * 3900
"""The kernel buffers some megabytes for a socket that does not read: fill them quickly."""
MOST = 10_000


async def test_a_socket_that_stops_reading_is_closed_and_nobody_else_loses_anything(
    own_system: System,
) -> None:
    system = own_system
    ann, bob, eve, joe = [await system.person(name) for name in ("ann", "bob", "eve", "joe")]
    here, there = (chat.url for chat in system.chats)
    async with (
        Device(ann, here) as a,
        Device(bob, there) as b,
        Device(eve, there) as e,
        Device(joe, there) as j,
        Device(bob, there) as slow,
    ):
        slow.stop_reading()
        log = system.chats[1].log
        async with talking(e, joe, "eve"):
            for number in range(MOST):
                a.say(bob, f"{LONG} {number}")
                await a.until(lambda: len(a.outbox) < 32)
                if number % 100 == 0 and "slow_consumer" in log.read_text():
                    break
            sent = len(a.acks) + len(a.outbox)
            await shows_all((b,), ann, sent)
            await asyncio.to_thread(eventually, lambda: "slow_consumer" in log.read_text())
        assert log.read_text().count("slow_consumer") == 1
        await shows_all((j,), eve, len(e.acks))
        assert_exact(await system.history(eve, joe), (e,), (j,))
        async with Device(bob, there) as again:
            await shows_all((again,), ann, sent)
            assert_exact(await system.history(ann, bob), (a,), (b, again))
        for device in (a, b, e, j):
            assert (device.closes, device.resyncs, device.gaps) == ([], 0, 0)
        slow.go_on_reading()
        await slow.until(lambda: slow.closes == [1006])
        assert messages_before_the_close(slow) < sent
        await shows_all((slow,), ann, sent)


def messages_before_the_close(device: Device) -> int:
    kinds = [
        frame.event["type"] if isinstance(frame, Received) else type(frame).__name__
        for frame in device.frames
    ]
    return kinds[: kinds.index("Closed")].count("message")
