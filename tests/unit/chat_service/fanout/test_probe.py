"""The probe: an instance is ready while it hears itself, and notices what the broker dropped."""

import time

from chat_service.fanout.memory import MemoryBroker
from tests.unit.chat_service.fanout.pair import BOB, Pair, event


async def test_an_instance_is_ready_when_it_has_heard_itself(pair: Pair) -> None:
    assert await pair.here.fanout.probe.check() is None
    pair.here.broker.go()
    assert await pair.here.fanout.probe.check() is not None
    pair.here.broker.swallows = True
    pair.here.broker.come_back()
    await pair.here.until(lambda: bool(pair.here.resyncs))
    assert await pair.here.fanout.probe.check() is not None  # connected, but not yet heard
    pair.here.broker.swallows = False
    await pair.here.ready()


async def test_a_deaf_instance_connects_again(pair: Pair) -> None:
    pair.here.broker.swallows = True
    await pair.here.until(lambda: pair.here.broker.resets == 1)
    assert await pair.here.fanout.probe.check() is not None
    pair.here.broker.swallows = False
    await pair.here.ready()
    assert pair.there.broker.resets == 0


async def test_a_broker_that_stays_deaf_is_given_more_and_more_time(pair: Pair) -> None:
    pair.here.broker.swallows = True
    at: list[float] = []
    for count in range(1, 4):
        await pair.here.until(lambda count=count: pair.here.broker.resets == count)  # type: ignore[misc]
        at.append(time.monotonic())
    assert at[2] - at[1] > at[1] - at[0]


async def test_dropped_messages_make_the_sockets_resume_once_what_waits_was_read(
    pair: Pair,
) -> None:
    await pair.there.fanout.attach(BOB)
    for _ in range(5):
        pair.there.broker.drop()
    assert pair.there.resyncs == []
    await pair.there.until(lambda: bool(pair.there.resyncs))
    assert pair.there.resyncs == ["this instance was too slow"]
    probes = pair.there.broker.published[-1][1].probe
    await pair.there.until(lambda: pair.there.broker.published[-1][1].probe > probes + 2)
    assert len(pair.there.resyncs) == 1


async def test_a_probe_that_skipped_a_number_makes_the_sockets_resume(pair: Pair) -> None:
    before = len(pair.here.broker.published)
    pair.here.broker.swallows = True
    await pair.here.until(lambda: len(pair.here.broker.published) > before)
    pair.here.broker.swallows = False
    await pair.here.until(lambda: bool(pair.here.resyncs))
    assert pair.here.resyncs == ["this instance was too slow"]
    assert pair.here.broker.resets == 0


async def test_a_binding_that_is_lost_is_made_again_and_its_sockets_resume(pair: Pair) -> None:
    await pair.here.fanout.attach(BOB)
    (key,) = pair.here.fanout._bindings.attached
    await MemoryBroker.unbind(pair.here.broker, key)
    await pair.here.until(lambda: pair.here.broker.bound.count(key) == 2)
    await pair.here.until(lambda: bool(pair.here.resyncs))
    assert pair.here.broker.resets == 0
    await pair.there.fanout.attach(BOB)
    pair.there.fanout.publish([event(1)])
    await pair.here.until(lambda: [one.seq for one in pair.here.events] == [1])
