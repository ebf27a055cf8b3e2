"""Fan-out: publishes what was committed here, and receives what was committed elsewhere.

Publishing never holds up a commit, and nothing depends on its success. What could not be published
is announced when the broker is back: one head for each conversation, not the messages. An instance
that may have missed something has its sockets resume.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from msgspec import Struct

from chat_service.fanout.bindings import Bindings, keys_of
from chat_service.fanout.broker import Broker, BrokerDown
from chat_service.fanout.events import Batch, Event, Signal, decode, encode, envelope
from chat_service.fanout.outbox import Outbox
from chat_service.fanout.probe import Probe
from chat_service.log import Announcement
from shared.observability.logs import Recurring, get_logger
from shared.observability.metrics import SECONDS, Distribution
from shared.tasks import together, whenever

log = get_logger("fanout")

RETRY_SECONDS = 1.0
"""Between two tries to publish on one connection."""
UNREAD_SECONDS = 10.0
"""Between two calls to resume because something could not be read."""
EVERYONE_KEY = "everyone"
"""Bound by every instance."""


class Receiver(Struct, frozen=True):
    """What a fan-out calls, synchronously: `batch` with what another instance sent, `resync` with
    the reason where something may have been missed."""

    batch: Callable[[Batch], None]
    resync: Callable[[str], None]


class FanOut:
    """Publishes this instance's events and receives everyone else's.

    `instance` is unlike that of every other instance; `shards` is the same for all of them.
    `probe` and `outbox` are there to be looked at, for readiness and metrics.
    """

    def __init__(self, broker: Broker, instance: str, shards: int) -> None:
        self.instance = instance
        self.outbox = Outbox(instance)
        self._broker = broker
        self._shards = shards
        self._bindings = Bindings(broker, shards)
        self.probe = Probe(broker, instance, lambda: self._bindings.attached)
        self._unread = asyncio.Event()
        self.published_batches = 0
        self.published_events = 0
        self.publish_lag = Distribution(SECONDS)
        self.unreadable = Recurring(log, "dropped batches that cannot be read")

    async def run(self, receiver: Receiver) -> None:
        """Publish, and give `receiver` what comes, until cancelled."""
        try:
            await self._broker.bind(self.probe.key)
            await self._broker.bind(EVERYONE_KEY)
            await together(
                self._broker.run(_Listener(self, receiver)),
                self._publish_events(),
                whenever(self.outbox.signal_work, self._publish_signals),
                self.probe.run(),
                whenever(self._unread, partial(self._missed, receiver)),
            )
        finally:
            await self._bindings.close()

    def attach(self, employee: str) -> asyncio.Future[None]:
        """Receive this employee's events until `detach`, which is owed for every call, even where
        the future is cancelled. The future is done once that holds; without a broker at once."""
        return self._bindings.attach(employee)

    def detach(self, employee: str) -> None:
        """One connection of this employee has gone."""
        self._bindings.detach(employee)

    def publish(self, events: Sequence[Event]) -> None:
        """Publish committed events soon, or announce their heads later. Never blocks."""
        if self._broker.connected:
            self.outbox.put(events)
        else:
            self.outbox.put_heads(events)

    def announce(self, announcements: Iterable[Announcement]) -> None:
        """Announce heads as soon as the broker is there. Never blocks."""
        self.outbox.announce(announcements)

    def untold(self) -> float:
        """For how many seconds there has been something that the others were not told."""
        since = self.outbox.untold_since
        return 0.0 if since is None else time.monotonic() - since

    def signal(self, signal: Signal) -> None:
        """Publish what is worth nothing later. Dropped where that is not possible now."""
        if self._broker.connected:
            self.outbox.signal(signal)

    def unread(self) -> None:
        """Something came that could not be read: nobody knows what was in it."""
        self._unread.set()

    async def _missed(self, receiver: Receiver) -> None:
        """Have everybody resume, but not for each of many batches."""
        receiver.resync("events of another instance could not be read")
        await asyncio.sleep(UNREAD_SECONDS)

    async def _publish_events(self) -> None:
        while True:
            await self.outbox.work.wait()
            self.outbox.work.clear()
            while self._broker.connected and not self.outbox.empty:
                batch, waiting_since = self.outbox.next_batch(), self.outbox.waiting_since
                try:
                    await self._publish(batch, confirm=True)
                except BrokerDown as error:
                    log.warning("cannot publish", reason=str(error), events=len(batch.events))
                    self.outbox.take_back(batch)
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                self.outbox.told()
                self.published_batches += 1
                self.published_events += len(batch.events)
                if batch.events:
                    self.publish_lag.add(time.monotonic() - waiting_since)
            if not self._broker.connected:
                self.outbox.reduce_to_heads()

    async def _publish_signals(self) -> None:
        batch = self.outbox.next_signals()
        try:
            await self._publish(batch, confirm=False)
        except BrokerDown:
            log.debug("signals were dropped", count=len(batch.signals))

    async def _publish(self, batch: Batch, *, confirm: bool) -> None:
        people = {one for event in batch.events for one in (event.first, event.second)}
        people.update(one for news in batch.announcements for one in (news.first, news.second))
        people.update(one for signal in batch.signals for one in signal.to)
        keys = keys_of(people, self._shards)
        if batch.resync:
            keys.append(EVERYONE_KEY)
        await self._broker.publish(keys, encode(batch), confirm=confirm)


class _Listener:
    """What the broker calls: tells probes from batches, and passes on what concerns each part."""

    def __init__(self, fanout: FanOut, receiver: Receiver) -> None:
        self._fanout = fanout
        self._receiver = receiver

    def received(self, body: bytes) -> None:
        outside = envelope(body)
        if outside is not None and outside.origin == self._fanout.instance:
            if outside.probe and self._fanout.probe.heard(outside.probe):
                log.warning("the broker dropped events for this instance")
                self._receiver.resync("this instance was too slow")
            return
        batch = decode(body)
        if batch is None:
            self._fanout.unreadable.warn(size=len(body))
            self._fanout.unread()
            return
        if batch.resync:
            self._receiver.resync(batch.resync)
        self._receiver.batch(batch)

    def restored(self) -> None:
        self._fanout.probe.restored()
        self._fanout.outbox.work.set()
        self._receiver.resync("the broker was away")

    def interrupted(self) -> None:
        log.warning("cut off from the other instances")

    def dropped(self) -> None:
        self._fanout.probe.dropped()
