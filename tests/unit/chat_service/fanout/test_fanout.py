"""The fan-out: what is committed reaches the others, or they learn that they must ask."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from uuid import uuid4

import pytest

from chat_service.fanout import fanout
from chat_service.fanout.broker import BrokerDown
from chat_service.fanout.events import VERSION, Batch, Event, Signal, decode, encode
from chat_service.fanout.fanout import FanOut, Receiver
from chat_service.fanout.memory import MemoryBroker
from chat_service.log.entries import Announcement

ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@example.org"
SHARDS = 256


class Broker(MemoryBroker):
    """A broker that can be away, refuse, swallow what is published, or throw away what comes."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.present = asyncio.Event()
        self.present.set()
        self.refuses = False
        self.swallows = False
        self.resets = 0
        self.bound: list[str] = []
        self.published: list[tuple[list[str], Batch]] = []

    @property
    def connected(self) -> bool:
        return super().connected and self.present.is_set()

    async def bind(self, key: str) -> None:
        self.bound.append(key)
        await super().bind(key)

    async def unbind(self, key: str) -> None:
        self.bound.remove(key)
        await super().unbind(key)

    def reset(self) -> None:
        self.resets += 1
        super().reset()

    async def publish(self, keys: Collection[str], body: bytes, *, confirm: bool) -> None:
        if self.refuses or not self.connected:
            raise BrokerDown("away")
        batch = decode(body)
        assert batch is not None
        self.published.append((list(keys), batch))
        if not self.swallows:
            await super().publish(keys, body, confirm=confirm)

    def go(self) -> None:
        self.present.clear()

    def come_back(self) -> None:
        self.present.set()
        super().reset()


class Instance:
    """A fan-out with its broker, and what it was told."""

    def __init__(self, url: str, name: str) -> None:
        self.broker = Broker(url)
        self.batches: list[Batch] = []
        self.resyncs: list[str] = []
        receiver = Receiver(self.batches.append, self.resyncs.append)
        self.fanout = FanOut(self.broker, name, SHARDS, receiver)
        self._running = asyncio.create_task(self.fanout.run())

    @property
    def events(self) -> list[Event]:
        return [event for batch in self.batches for event in batch.events]

    @property
    def announcements(self) -> list[Announcement]:
        return [news for batch in self.batches for news in batch.announcements]

    async def ready(self) -> None:
        """Returns when the canary has come back; what was told till then is forgotten."""
        deadline = time.monotonic() + 10
        while await self.fanout.check() is not None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.001)
        self.resyncs.clear()
        self.broker.published.clear()

    async def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert not self._running.done(), "the fan-out has ended"
            assert time.monotonic() < deadline, (self.batches, self.resyncs)
            await asyncio.sleep(0.001)

    async def end(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)


class Pair:
    def __init__(self) -> None:
        url = f"memory://{uuid4().hex}"
        self.here = Instance(url, "here")
        self.there = Instance(url, "there")


@pytest.fixture
async def pair(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setattr(fanout, "CANARY_SECONDS", 0.02)
    monkeypatch.setattr(fanout, "DEAF_AFTER_SECONDS", 0.2)
    monkeypatch.setattr(fanout, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(fanout, "LINGER_SECONDS", 0.05)
    pair = Pair()
    await pair.here.ready()
    await pair.there.ready()
    yield pair
    await pair.here.end()
    await pair.there.end()


def event(seq: int, conversation: str = "c", first: str = ANN, second: str = BOB) -> Event:
    return Event(conversation, seq, 0, 0, first, second, b"%d" % seq)


async def test_events_reach_the_instance_of_a_participant_in_order(pair: Pair) -> None:
    await pair.there.fanout.attach(BOB)
    for seq in range(1, 50):
        pair.here.fanout.publish([event(seq)])
    await pair.there.until(lambda: len(pair.there.events) == 49)
    assert pair.there.events == [event(seq) for seq in range(1, 50)]
    assert pair.here.batches == []


async def test_a_batch_is_one_message_however_many_shards_it_has(pair: Pair) -> None:
    people = [f"{number}@example.org" for number in range(100)]
    for person in people:
        await pair.there.fanout.attach(person)
    pair.here.fanout.publish([event(1, person, ANN, person) for person in people])
    await pair.there.until(lambda: len(pair.there.events) == 100)
    assert len(pair.there.batches) == 1
    (keys,) = [keys for keys, batch in pair.here.broker.published if batch.events]
    assert len(keys) == len(set(keys)) > 50


async def test_events_of_people_who_are_elsewhere_do_not_come(pair: Pair) -> None:
    await pair.there.fanout.attach(BOB)
    pair.here.fanout.publish([event(1, "other", ANN, EVE)])
    await pair.here.until(lambda: pair.here.fanout.published_batches == 1)
    pair.here.fanout.publish([event(1)])
    await pair.there.until(lambda: bool(pair.there.batches))
    assert pair.there.events == [event(1)]


async def test_signals_come_and_are_dropped_without_a_broker(pair: Pair) -> None:
    await pair.there.fanout.attach(BOB)
    pair.here.broker.go()
    pair.here.fanout.signal(Signal((BOB,), b"lost"))
    pair.here.broker.come_back()
    await pair.here.ready()
    pair.here.fanout.signal(Signal((BOB,), b"typing"))
    await pair.there.until(lambda: bool(pair.there.batches))
    assert [batch.signals for batch in pair.there.batches] == [[Signal((BOB,), b"typing")]]


async def test_what_could_not_be_published_is_announced_by_heads(pair: Pair) -> None:
    await pair.there.fanout.attach(BOB)
    pair.here.broker.go()
    for seq in range(1, 1001):
        pair.here.fanout.publish([event(seq), event(seq, "d", BOB, EVE)])
    pair.here.broker.come_back()
    await pair.there.until(lambda: len(pair.there.announcements) == 2)
    assert pair.there.announcements == [
        Announcement("c", ANN, BOB, 1000),
        Announcement("d", BOB, EVE, 1000),
    ]
    assert pair.there.events == []
    assert pair.there.resyncs == []


async def test_what_the_broker_refuses_is_announced_on_the_same_connection(pair: Pair) -> None:
    await pair.there.fanout.attach(BOB)
    pair.here.broker.refuses = True
    pair.here.fanout.publish([event(1)])
    pair.here.fanout.announce([Announcement("d", BOB, EVE, 7)])
    await asyncio.sleep(0.03)
    pair.here.broker.refuses = False
    await pair.there.until(lambda: len(pair.there.announcements) == 2)
    assert {news.conversation: news.head for news in pair.there.announcements} == {"c": 1, "d": 7}


async def test_an_older_head_does_not_replace_a_newer_one(pair: Pair) -> None:
    await pair.there.fanout.attach(BOB)
    pair.here.broker.go()
    pair.here.fanout.publish([event(9)])
    pair.here.fanout.announce([Announcement("c", ANN, BOB, 4)])
    pair.here.broker.come_back()
    await pair.there.until(lambda: bool(pair.there.announcements))
    assert pair.there.announcements == [Announcement("c", ANN, BOB, 9)]


async def test_what_is_late_stays_so_when_a_newer_head_is_announced_with_it(pair: Pair) -> None:
    await pair.there.fanout.attach(BOB)
    pair.here.broker.go()
    for news in ((6, 5), (7, 6), (9, None)):
        pair.here.fanout.announce([Announcement("c", ANN, BOB, *news)])
    pair.here.broker.come_back()
    await pair.there.until(lambda: bool(pair.there.announcements))
    assert pair.there.announcements == [Announcement("c", ANN, BOB, 9, late_after=5)]


async def test_after_too_many_conversations_everybody_is_told_to_resume(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "ANNOUNCED", 100)
    pair.here.broker.go()
    for number in range(101):
        pair.here.fanout.publish([event(1, f"{number}")])
    pair.here.broker.come_back()
    await pair.there.until(lambda: bool(pair.there.resyncs))  # nobody is attached there
    assert len(pair.there.resyncs) == 1
    assert [batch.resync for _, batch in pair.here.broker.published if batch.resync]


async def test_many_heads_go_in_several_messages(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "BATCH", 10)
    await pair.there.fanout.attach(BOB)
    pair.here.broker.go()
    for number in range(95):
        pair.here.fanout.publish([event(1, f"{number}")])
    pair.here.broker.come_back()
    await pair.there.until(lambda: len(pair.there.announcements) == 95)
    assert max(len(batch.announcements) for batch in pair.there.batches) == 10


async def test_too_many_waiting_events_are_announced_instead(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "WAITING", 10)
    await pair.there.fanout.attach(BOB)
    pair.here.fanout.publish([event(seq) for seq in range(1, 11)])
    pair.here.fanout.publish([event(11)])
    await pair.there.until(lambda: bool(pair.there.announcements))
    assert len(pair.there.events) == 10
    assert pair.there.announcements == [Announcement("c", ANN, BOB, 11)]


async def test_whenever_the_broker_is_there_again_the_sockets_resume(pair: Pair) -> None:
    pair.there.broker.go()
    pair.there.broker.come_back()
    await pair.there.until(lambda: bool(pair.there.resyncs))
    assert pair.there.resyncs == ["the broker was away"]


async def test_an_instance_is_ready_when_it_has_heard_itself(pair: Pair) -> None:
    assert await pair.here.fanout.check() is None
    pair.here.broker.go()
    assert await pair.here.fanout.check() is not None
    pair.here.broker.swallows = True
    pair.here.broker.come_back()
    await pair.here.until(lambda: bool(pair.here.resyncs))
    assert await pair.here.fanout.check() is not None  # connected, but not yet heard
    pair.here.broker.swallows = False
    await pair.here.ready()


async def test_a_deaf_instance_connects_again(pair: Pair) -> None:
    pair.here.broker.swallows = True
    await pair.here.until(lambda: pair.here.broker.resets == 1)
    assert await pair.here.fanout.check() is not None
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
        pair.there.fanout.dropped()
    assert pair.there.resyncs == []
    await pair.there.until(lambda: bool(pair.there.resyncs))
    assert pair.there.resyncs == ["this instance was too slow"]
    canaries = pair.there.broker.published[-1][1].canary
    await pair.there.until(lambda: pair.there.broker.published[-1][1].canary > canaries + 2)
    assert len(pair.there.resyncs) == 1


async def test_a_canary_that_skipped_a_number_makes_the_sockets_resume(pair: Pair) -> None:
    before = len(pair.here.broker.published)
    pair.here.broker.swallows = True
    await pair.here.until(lambda: len(pair.here.broker.published) > before)
    pair.here.broker.swallows = False
    await pair.here.until(lambda: bool(pair.here.resyncs))
    assert pair.here.resyncs == ["this instance was too slow"]
    assert pair.here.broker.resets == 0


async def test_a_shard_stays_bound_for_a_while_after_its_last_employee_left(pair: Pair) -> None:
    broker = pair.here.broker
    before = set(broker.bound)
    await pair.here.fanout.attach(ANN)
    await pair.here.fanout.attach(ANN)
    (key,) = set(broker.bound) - before
    pair.here.fanout.detach(ANN)
    pair.here.fanout.detach(ANN)
    assert key in broker.bound
    await pair.here.fanout.attach(ANN)  # back in time
    await asyncio.sleep(0.1)
    assert broker.bound.count(key) == 1
    pair.here.fanout.detach(ANN)
    await pair.here.until(lambda: key not in broker.bound)
    await pair.here.fanout.attach(ANN)
    assert broker.bound.count(key) == 1


async def test_an_attachment_that_was_given_up_at_once_can_be_detached(pair: Pair) -> None:
    attaching = pair.here.fanout.attach(ANN)
    attaching.cancel()
    pair.here.fanout.detach(ANN)
    await pair.here.fanout.attach(ANN)
    pair.there.fanout.publish([event(1)])
    await pair.here.until(lambda: bool(pair.here.events))


async def test_what_is_not_of_this_version_is_dropped(pair: Pair) -> None:
    pair.here.fanout.received(b"\xff\x00nonsense")
    pair.here.fanout.received(encode(Batch(VERSION + 1, "other", events=[event(1)])))
    pair.here.fanout.received(encode(Batch(VERSION, "other", events=[event(2)])))
    assert pair.here.events == [event(2)]
