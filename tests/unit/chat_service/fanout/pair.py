"""Two instances on one broker in memory, and what they are told."""

import asyncio
import time
from collections.abc import Callable, Collection
from uuid import uuid4

from chat_service.fanout.broker import BrokerDown
from chat_service.fanout.events import Batch, Event, decode
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
        self.may_unbind = asyncio.Event()
        self.may_unbind.set()
        self.unbinding = False
        self.refuses = False
        self.refused = 0
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
        self.unbinding = True
        await self.may_unbind.wait()
        self.bound.remove(key)
        await super().unbind(key)
        self.unbinding = False

    def reset(self) -> None:
        self.resets += 1
        super().reset()

    async def publish(self, keys: Collection[str], body: bytes, *, confirm: bool) -> None:
        if self.refuses or not self.connected:
            self.refused += 1
            raise BrokerDown("away")
        batch = decode(body)
        assert batch is not None
        self.published.append((list(keys), batch))
        if not self.swallows:
            await super().publish(keys, body, confirm=confirm)

    def receive(self, body: bytes) -> None:
        """Give the instance a message of which nobody knows who published it."""
        assert self._listener is not None
        self._listener.received(body)

    def drop(self) -> None:
        """Tell the instance that a message for it was thrown away."""
        assert self._listener is not None
        self._listener.dropped()

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
        self.fanout = FanOut(self.broker, name, SHARDS)
        receiver = Receiver(self.batches.append, self.resyncs.append)
        self._running = asyncio.create_task(self.fanout.run(receiver))

    @property
    def events(self) -> list[Event]:
        return [event for batch in self.batches for event in batch.events]

    @property
    def announcements(self) -> list[Announcement]:
        return [news for batch in self.batches for news in batch.announcements]

    async def ready(self) -> None:
        """Returns when the probe has come back; what was told till then is forgotten."""
        deadline = time.monotonic() + 10
        while await self.fanout.probe.check() is not None:
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


def event(seq: int, conversation: str = "c", first: str = ANN, second: str = BOB) -> Event:
    return Event(conversation, seq, 0, first, second, b"%d" % seq)
