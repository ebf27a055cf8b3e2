"""Fan-out: tells the other instances what was committed here, and hears what was committed there.

Publishing never holds up a commit, and nothing depends on its success: what could not be published
is announced (a head for each conversation, not the messages) when the broker is back, and when this
instance could not hear, it says so and its sockets resume. It must never know sockets or MongoDB.

A **canary** goes through the broker to this instance every few seconds. A connection can be open
and deaf; readiness is the canary coming back, and where it does not, the connection is given up.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from itertools import islice

from msgspec import Struct

from chat_service.fanout.broker import Broker, BrokerDown
from chat_service.fanout.events import VERSION, Batch, Event, Signal, decode, encode, envelope
from chat_service.log import Announcement, joined, shard
from shared.observability.logs import Recurring, get_logger
from shared.observability.metrics import SECONDS, Distribution
from shared.tasks import together

log = get_logger("fanout")

BATCH = 512
"""Events, and announcements, in one AMQP message."""
WAITING = 20_000
"""Events that wait to be published; beyond it they are announced instead."""
ANNOUNCED = 50_000
"""Conversations whose heads wait to be announced; beyond it everybody is told to resume."""
RETRY_SECONDS = 1.0
"""Between two tries to publish on a connection that is there."""
LINGER_SECONDS = 30.0
"""A shard stays bound this long after its last employee left: reconnects cause no churn."""
CANARY_SECONDS = 3.0
DEAF_AFTER_SECONDS = 3 * CANARY_SECONDS
PATIENCE_SECONDS = 60.0
"""A connection is given up after `DEAF_AFTER_SECONDS` without a canary, the next one after twice as
long, and so on up to this: a broker in trouble is not helped by connections."""
EVERYONE_KEY = "everyone"
"""Bound by every instance."""
SIGNALS = 1000
"""Signals that wait to be published; beyond it the newest are dropped."""


class Receiver(Struct, frozen=True):
    """What a fan-out calls, synchronously: `batch` with what others sent, `resync` (reason) when
    something may have been missed."""

    batch: Callable[[Batch], None]
    resync: Callable[[str], None]


class FanOut:
    """One instance's ear and mouth."""

    def __init__(self, broker: Broker, instance: str, shards: int, receiver: Receiver) -> None:
        self._broker = broker
        self._instance = instance
        self._shards = shards
        self._receiver = receiver
        self._employees: dict[int, int] = {}
        self._bound: dict[int, asyncio.Task[None]] = {}
        self._lingering: dict[int, asyncio.TimerHandle] = {}
        self._unbinding: set[asyncio.Task[None]] = set()
        self._events: list[Event] = []
        self._signals: list[Signal] = []
        self._unpublished: dict[str, Announcement] = {}
        self._everyone_missed = False
        self._work = asyncio.Event()
        self._signal_work = asyncio.Event()
        self._sing_now = asyncio.Event()
        self._canary = 0
        self._heard = 0
        self._heard_at = float("-inf")
        self._restored_at = float("-inf")
        self._dropped_before: int | None = None
        self._patience = DEAF_AFTER_SECONDS
        self.published_batches = 0
        self.published_events = 0
        self.publish_lag = Distribution(SECONDS)
        self.unreadable = Recurring(log, "dropped batches that cannot be read")
        self._oldest_at = 0.0

    async def run(self) -> None:
        """Publish and listen until cancelled."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._end_bindings)
            await self._broker.bind(self._canary_key)
            await self._broker.bind(EVERYONE_KEY)
            await together(
                self._broker.run(self),
                self._publish_events(),
                self._publish_signals(),
                self._sing(),
            )

    def attach(self, employee: str) -> asyncio.Future[None]:
        """Hear of this employee's events, until `detach`.

        That holds when the future is done: at once without a broker.
        """
        number = shard(employee, self._shards)
        self._employees[number] = self._employees.get(number, 0) + 1
        lingering = self._lingering.pop(number, None)
        if lingering is not None:
            lingering.cancel()
        binding = self._bound.get(number)
        if binding is None:
            binding = asyncio.create_task(self._broker.bind(_shard_key(number)))
            self._bound[number] = binding
        return asyncio.shield(binding)

    def detach(self, employee: str) -> None:
        """One connection of this employee has gone."""
        number = shard(employee, self._shards)
        self._employees[number] -= 1
        if self._employees[number] == 0:
            del self._employees[number]
            loop = asyncio.get_running_loop()
            self._lingering[number] = loop.call_later(LINGER_SECONDS, self._unbind, number)

    def publish(self, events: Sequence[Event]) -> None:
        """Tell of committed events, soon; never blocks."""
        if len(self._events) + len(events) > WAITING or not self._broker.connected:
            self._announce_later(events)
        else:
            if not self._events:
                self._oldest_at = time.monotonic()
            self._events += events
            self._work.set()

    def announce(self, announcements: Iterable[Announcement]) -> None:
        """Tell of heads, as soon as the broker is there."""
        for news in announcements:
            self._announce_soon(news)
        self._work.set()

    def signal(self, signal: Signal) -> None:
        """Tell of something that is worth nothing later; dropped when it cannot be told now."""
        if self._broker.connected and len(self._signals) < SIGNALS:
            self._signals.append(signal)
            self._signal_work.set()

    async def check(self) -> str | None:
        """For readiness: None while the canary comes back."""
        if not self._broker.connected:
            return "the broker is not connected"
        age = time.monotonic() - self._heard_at
        if age > DEAF_AFTER_SECONDS:
            return "the broker is connected, but nothing comes through"
        return None

    @property
    def unannounced(self) -> int:
        """Conversations that the others have to be told of, once the broker is there."""
        return len(self._unpublished)

    @property
    def canary_age(self) -> float:
        """Seconds since this instance last heard itself."""
        return time.monotonic() - self._heard_at

    # The listener of the broker.

    def received(self, body: bytes) -> None:
        outside = envelope(body)
        if outside is not None and outside.origin == self._instance:
            if outside.canary:
                self._hear(outside.canary)
            return
        batch = decode(body)
        if batch is None:
            self.unreadable.warn(size=len(body))
            return
        if batch.resync:
            self._receiver.resync(batch.resync)
        self._receiver.batch(batch)

    def restored(self) -> None:
        self._heard = 0
        self._heard_at = float("-inf")
        self._restored_at = time.monotonic()
        self._dropped_before = None
        self._work.set()
        self._sing_now.set()
        self._receiver.resync("the broker was away")

    def interrupted(self) -> None:
        log.warning("cut off from the other instances")

    def dropped(self) -> None:
        # Until what waits still has been read there may be more: a later canary tells.
        self._dropped_before = self._canary

    def _hear(self, canary: int) -> None:
        if self._heard and canary > self._heard + 1:
            self.dropped()  # one of ours did not arrive: what else did not?
        self._heard = canary
        self._heard_at = time.monotonic()
        self._patience = DEAF_AFTER_SECONDS
        if self._dropped_before is not None and canary > self._dropped_before:
            self._dropped_before = None
            log.warning("events for this instance were dropped by the broker")
            self._receiver.resync("this instance was too slow")

    async def _publish_events(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._broker.connected and (
                self._events or self._unpublished or self._everyone_missed
            ):
                batch, oldest_at = self._next_batch(), self._oldest_at
                try:
                    await self._broker.publish(self._keys_of(batch), encode(batch), confirm=True)
                except BrokerDown as error:
                    log.warning("cannot publish", reason=str(error), events=len(batch.events))
                    self._take_back(batch)
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                self.published_batches += 1
                self.published_events += len(batch.events)
                if batch.events:
                    self.publish_lag.add(time.monotonic() - oldest_at)
            if not self._broker.connected and self._events:
                events, self._events = self._events, []
                self._announce_later(events)

    def _next_batch(self) -> Batch:
        events, self._events = self._events[:BATCH], self._events[BATCH:]
        some = list(islice(self._unpublished, BATCH))
        announcements = [self._unpublished.pop(conversation) for conversation in some]
        resync = "another instance could not tell of its events" if self._everyone_missed else ""
        self._everyone_missed = False
        return Batch(
            VERSION, self._instance, events=events, announcements=announcements, resync=resync
        )

    def _take_back(self, batch: Batch) -> None:
        self._announce_later(batch.events)
        for news in batch.announcements:
            self._announce_soon(news)
        self._everyone_missed |= bool(batch.resync)

    async def _publish_signals(self) -> None:
        while True:
            await self._signal_work.wait()
            self._signal_work.clear()
            signals, self._signals = self._signals, []
            batch = Batch(VERSION, self._instance, signals=signals)
            try:
                keys = self._keys({employee for signal in signals for employee in signal.to})
                await self._broker.publish(keys, encode(batch), confirm=False)
            except BrokerDown:
                log.debug("signals were dropped", count=len(signals))

    async def _sing(self) -> None:
        """Send the canary, and give the connection up where it does not come back."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CANARY_SECONDS):
                    await self._sing_now.wait()
            self._sing_now.clear()
            if not self._broker.connected:
                continue
            silence = time.monotonic() - max(self._heard_at, self._restored_at)
            if silence > self._patience:
                log.warning("nothing comes through the broker", seconds=round(silence, 1))
                self._patience = min(2 * self._patience, PATIENCE_SECONDS)
                self._broker.reset()
                continue
            self._canary += 1
            canary = Batch(VERSION, self._instance, canary=self._canary)
            try:
                await self._broker.publish([self._canary_key], encode(canary), confirm=False)
            except BrokerDown as error:
                self._canary -= 1
                log.warning("cannot send the canary", reason=str(error))

    def _announce_later(self, events: Iterable[Event]) -> None:
        for event in events:
            people = (event.first, event.second)
            self._announce_soon(
                Announcement(event.conversation, *people, event.seq, event.late_after)
            )

    def _announce_soon(self, news: Announcement) -> None:
        known = self._unpublished.get(news.conversation)
        self._unpublished[news.conversation] = news if known is None else joined(known, news)
        if len(self._unpublished) > ANNOUNCED:
            self._unpublished.clear()
            self._everyone_missed = True

    def _keys_of(self, batch: Batch) -> list[str]:
        people = {one for event in batch.events for one in (event.first, event.second)}
        people |= {one for news in batch.announcements for one in (news.first, news.second)}
        keys = self._keys(people)
        return [EVERYONE_KEY, *keys] if batch.resync else keys

    def _keys(self, employees: Iterable[str]) -> list[str]:
        return [_shard_key(number) for number in {shard(one, self._shards) for one in employees}]

    @property
    def _canary_key(self) -> str:
        return f"canary.{self._instance}"

    def _unbind(self, number: int) -> None:
        self._lingering.pop(number, None)
        if number not in self._employees and self._bound.pop(number, None) is not None:
            task = asyncio.create_task(self._unbind_unless_taken(number))
            self._unbinding.add(task)
            task.add_done_callback(self._unbinding.discard)

    async def _unbind_unless_taken(self, number: int) -> None:
        await self._broker.unbind(_shard_key(number))
        if number in self._employees:  # somebody came while it was under way
            await self._broker.bind(_shard_key(number))

    async def _end_bindings(self) -> None:
        for timer in self._lingering.values():
            timer.cancel()
        tasks = [*self._bound.values(), *self._unbinding]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _shard_key(number: int) -> str:
    return f"shard.{number}"
