"""A soak: the stage, the devices, the samples and the verdict."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random

from msgspec import Struct, field

from tests.bench.preload import open_conversations
from tests.bench.stage import Stage
from tests.fault.soak.commuter import Commuter, Tally
from tests.fault.soak.measure import Memory, Sample, left_behind, memory
from tests.support.vitals import Vitals, scrape, vitals

INSTANCES = 2
SAMPLES = 400
LEAVING_SECONDS = 60.0


class Result(Struct):
    """`failures` is the verdict: empty where all is well."""

    connections: int
    seconds: float = 0.0
    interrupted: bool = False
    samples: list[Sample] = field(default_factory=list)
    before: dict[str, Vitals] = field(default_factory=dict)
    after: dict[str, Vitals] = field(default_factory=dict)
    memory: dict[str, Memory | None] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    failures: list[str] = field(default_factory=list)


class Soak:
    """`stop` ends it early; it still settles, and judges what there is."""

    def __init__(self, connections: int, seconds: float, seed: int, say: Callable[[str], None]):
        self.result = Result(connections)
        self.stop = asyncio.Event()
        self._seconds = seconds
        self._seed = seed
        self._say = say

    async def run(self, stage: Stage) -> None:
        database = stage.database_name("chat")
        async with stage.chat(database, INSTANCES) as programs:
            urls = {
                "auth": stage.auth.url,
                **{f"chat {number}": one.url for number, one in enumerate(programs, 1)},
            }
            chats = [one.url for one in programs]
            devices = self._devices(stage, database)
            result = self.result
            result.before = await _all_vitals(urls)
            started = time.monotonic()
            async with self._sampling(urls, chats, started):
                living = [asyncio.create_task(one.live(chats, self.stop)) for one in devices]
                try:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._seconds):
                            await self.stop.wait()
                    result.interrupted = self.stop.is_set()
                finally:
                    self.stop.set()
                    await asyncio.gather(*living)
            result.seconds = time.monotonic() - started
            self._say("everybody leaves; once more for what was missed")
            await _few_at_a_time([lambda d=d: d.settle(chats[0]) for d in devices])  # type: ignore[misc]
            await _few_at_a_time([lambda d=d: d.catch_up(chats[1]) for d in devices])  # type: ignore[misc]
            await self._all_gone(urls)
        self._judge(devices)

    def _devices(self, stage: Stage, database: str) -> list[Commuter]:
        random = Random(self._seed)
        tally = self.result.tally
        devices = []
        pairs = stage.pairs(max(1, self.result.connections // 2))
        open_conversations(stage, database, pairs)
        for pair in pairs:
            for one, other in ((pair.sender, pair.receiver), (pair.receiver, pair.sender)):
                seeded = Random(random.getrandbits(64))
                devices.append(Commuter(one, other, pair.conversation.id, tally, seeded))
        return devices

    @asynccontextmanager
    async def _sampling(
        self, urls: dict[str, str], chats: Sequence[str], started: float
    ) -> AsyncIterator[None]:
        sampling = asyncio.create_task(self._sample(urls, chats, started))
        try:
            yield
        finally:
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)

    async def _sample(self, urls: dict[str, str], chats: Sequence[str], started: float) -> None:
        tally = self.result.tally
        pause = max(0.5, self._seconds / SAMPLES)
        last, acked, connects = started, 0, 0
        while True:
            await asyncio.sleep(pause)
            now = time.monotonic()
            counts = [await asyncio.to_thread(scrape, url) for url in chats]
            sample = Sample(
                at=now - started,
                connections=sum(one["chat_connections"] for one in counts),
                messages=(tally.acked - acked) / (now - last),
                connects=(tally.connects - connects) / (now - last),
                services=await _all_vitals(urls),
            )
            last, acked, connects = now, tally.acked, tally.connects
            self.result.samples.append(sample)
            self._say(_progress(sample, self._seconds, tally))

    async def _all_gone(self, urls: dict[str, str]) -> None:
        """Until nothing more is left than before, or it has taken too long."""
        result = self.result
        deadline = time.monotonic() + LEAVING_SECONDS
        while True:
            result.after = await _all_vitals(urls)
            if not any(left_behind(result.before[n], v) for n, v in result.after.items()):
                return
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(0.5)

    def _judge(self, devices: Sequence[Commuter]) -> None:
        result = self.result
        failures = result.failures = list(result.tally.faults)
        for name, after in result.after.items():
            found = left_behind(result.before[name], after)
            if found:
                failures.append(f"{name} keeps {' and '.join(found)}")
            grown = result.memory[name] = memory(result.samples, name)
            if grown is not None and not grown.is_flat:
                failures.append(f"{name} grew from {grown.first:.0f} to {grown.last:.0f} bytes")
        for one, other in zip(devices[::2], devices[1::2], strict=True):
            if not one.head == other.head == one.sent + other.sent:
                failures.append(
                    f"{one.sent} and {other.sent} messages made a log of {one.head} and"
                    f" {other.head}"
                )
        if result.tally.acked != result.tally.sent:
            failures.append(f"{result.tally.sent - result.tally.acked} were not acknowledged")
        if result.tally.lost_connections:
            failures.append(f"{result.tally.lost_connections} connections were lost")
        del failures[20:]


async def _few_at_a_time(calls: Sequence[Callable[[], asyncio.Future[None]]]) -> None:
    room = asyncio.Semaphore(50)

    async def one(call: Callable[[], asyncio.Future[None]]) -> None:
        async with room:
            await call()

    await asyncio.gather(*(one(call) for call in calls))


async def _all_vitals(urls: dict[str, str]) -> dict[str, Vitals]:
    return {name: await asyncio.to_thread(vitals, url) for name, url in urls.items()}


def _progress(sample: Sample, seconds: float, tally: Tally) -> str:
    resident = ", ".join(
        f"{name} {one.resident / (1 << 20):.0f} MiB" for name, one in sample.services.items()
    )
    return (
        f"{sample.at / 60:.1f} of {seconds / 60:.1f} min: {sample.connections:.0f} connected,"
        f" {sample.messages:.0f} messages/s, {sample.connects:.0f} connects/s; {resident};"
        f" {len(tally.faults)} faults"
    )
