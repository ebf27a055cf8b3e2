"""Fan-out: tells the other instances what was committed here, and hears what was committed there.

Publishing never holds up a commit, and nothing depends on its success: what could not be published
is announced (a head for each conversation, not the messages) when the broker is back, and when this
instance could not hear, it says so and its sockets resume. It must never know sockets or MongoDB.

A **canary** goes through the broker to this instance every few seconds. A connection can be open
and deaf; readiness is the canary coming back.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack

from msgspec import Struct

from chat_service.broker import Broker, BrokerDown
from chat_service.conversation import shard
from chat_service.events import VERSION, Announcement, Batch, Event, Signal, decode, encode
from shared.logs import get_logger

log = get_logger("fanout")

BATCH = 512
"""Events in one AMQP message."""
WAITING = 20_000
"""Events that wait to be published; beyond it they are announced instead."""
LINGER_SECONDS = 30.0
"""A shard stays bound this long after its last employee left: reconnects cause no churn."""
CANARY_SECONDS = 3.0
DEAF_AFTER_SECONDS = 3 * CANARY_SECONDS
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
        self._work = asyncio.Event()
        self._signal_work = asyncio.Event()
        self._heard_at = float("-inf")
        self._deaf = False
        self._was_cut_off = False
        self.published_batches = 0
        self.published_events = 0

    async def run(self) -> None:
        """Publish and listen until cancelled."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._end_bindings)
            await self._broker.bind(self._canary_key)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._broker.run(self))
                group.create_task(self._publish_events())
                group.create_task(self._publish_signals())
                group.create_task(self._sing())

    async def attach(self, employee: str) -> None:
        """Hear of this employee's events. Returns when that holds, or at once without a broker."""
        number = shard(employee, self._shards)
        self._employees[number] = self._employees.get(number, 0) + 1
        lingering = self._lingering.pop(number, None)
        if lingering is not None:
            lingering.cancel()
        binding = self._bound.get(number)
        if binding is None:
            binding = asyncio.create_task(self._broker.bind(_shard_key(number)))
            self._bound[number] = binding
        if not binding.done():
            await asyncio.shield(binding)

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
            self._events += events
            self._work.set()

    def announce(self, announcements: Iterable[Announcement]) -> None:
        """Tell of heads, as soon as the broker is there."""
        self._unpublished.update((news.conversation, news) for news in announcements)
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
    def canary_age(self) -> float:
        """Seconds since this instance last heard itself."""
        return time.monotonic() - self._heard_at

    # The listener of the broker.

    def received(self, body: bytes) -> None:
        batch = decode(body)
        if batch is None:
            log.warning("dropped a message that is not of this version", size=len(body))
            return
        if batch.origin != self._instance:
            self._receiver.batch(batch)
        elif not (batch.events or batch.signals or batch.announcements):
            self._heard_at = time.monotonic()

    def restored(self) -> None:
        self._heard_at = time.monotonic()
        self._work.set()
        if self._was_cut_off:
            self._receiver.resync("the broker was away")

    def interrupted(self) -> None:
        self._was_cut_off = True

    async def _publish_events(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._broker.connected and (self._events or self._unpublished):
                events, self._events = self._events[:BATCH], self._events[BATCH:]
                unpublished, self._unpublished = self._unpublished, {}
                announcements = list(unpublished.values())
                batch = Batch(VERSION, self._instance, events, [], announcements)
                people = {event.first for event in events} | {event.second for event in events}
                people |= {news.first for news in announcements}
                people |= {news.second for news in announcements}
                try:
                    await self._broker.publish(self._keys(people), encode(batch), confirm=True)
                except BrokerDown as error:
                    log.warning("cannot publish", reason=str(error), events=len(events))
                    self._unpublished = unpublished | self._unpublished
                    self._announce_later(events)
                    break
                self.published_batches += 1
                self.published_events += len(events)
            if not self._broker.connected and self._events:
                events, self._events = self._events, []
                self._announce_later(events)

    async def _publish_signals(self) -> None:
        while True:
            await self._signal_work.wait()
            self._signal_work.clear()
            signals, self._signals = self._signals, []
            batch = Batch(VERSION, self._instance, [], signals, [])
            try:
                keys = self._keys({signal.to for signal in signals})
                await self._broker.publish(keys, encode(batch), confirm=False)
            except BrokerDown:
                log.debug("signals were dropped", count=len(signals))

    async def _sing(self) -> None:
        """Send the canary, and notice when it does not come back."""
        canary = encode(Batch(VERSION, self._instance))
        while True:
            if self._broker.connected:
                try:
                    await self._broker.publish([self._canary_key], canary, confirm=False)
                except BrokerDown as error:
                    log.warning("cannot send the canary", reason=str(error))
            await asyncio.sleep(CANARY_SECONDS)
            deaf = self._broker.connected and self.canary_age > DEAF_AFTER_SECONDS
            if self._deaf and not deaf and self._broker.connected:
                self._receiver.resync("this instance was deaf")
            self._deaf = deaf

    def _announce_later(self, events: Iterable[Event]) -> None:
        for event in events:
            known = self._unpublished.get(event.conversation)
            if known is None or known.head < event.seq:
                self._unpublished[event.conversation] = Announcement(
                    event.conversation, event.first, event.second, event.seq
                )

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
