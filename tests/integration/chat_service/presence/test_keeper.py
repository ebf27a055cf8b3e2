"""Several instances keep presence on a real MongoDB: what is announced, and what is no news."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from uuid import uuid4

import msgspec
import pytest

from chat_service.presence.keeper import PresenceKeeper, PresenceTimes
from chat_service.presence.store import PresenceStore
from shared.errors import Unavailable
from shared.mongo import Database, Mongo
from tests.support.conditions import until

GRACE = 0.5
LEASE = 1.5


class Instance:
    """One instance: who is connected, and what it announced, as "ann online"."""

    def __init__(self, store: PresenceStore, name: str, grace: float) -> None:
        self.here: set[str] = set()
        self.told: list[str] = []
        times = PresenceTimes(grace, LEASE)
        self.keeper = PresenceKeeper(store, name, times)
        self._running = asyncio.create_task(self.keeper.run(lambda: self.here, self._tell))

    def connect(self, *employees: str) -> None:
        for employee in employees:
            self.here.add(employee)
            self.keeper.came(employee)

    def disconnect(self, *employees: str) -> None:
        for employee in employees:
            self.here.discard(employee)
            self.keeper.left(employee)

    async def kill(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def status(self, employee: str) -> str:
        return (await self.keeper.of([employee]))[0].status

    async def sees(self, employee: str, status: str) -> None:
        """Returns when `employee` has this status."""

        async def shown() -> bool:
            return await self.status(employee) == status

        await until(shown)

    async def tells(self, count: int) -> None:
        """Returns when `count` changes were announced."""

        async def enough() -> bool:
            return len(self.told) >= count

        await until(enough)

    def _tell(self, employees: tuple[str, ...], frame: bytes) -> None:
        assert employees == ("zoe",)
        event = msgspec.json.decode(frame[frame.index(b"{") :])
        self.told.append(f"{event['employee']} {event['status']}")


class BrokenStore(PresenceStore):
    """A store whose next writes fail, some before and some after they were carried out."""

    def __init__(self, ready: Callable[[], Database]) -> None:
        super().__init__(ready)
        self.failures: list[str] = []
        self.written = asyncio.Event()
        self.writes = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def arrived(self, boot: str, employees: Iterable[str], token: str) -> None:
        if self._skips():
            raise Unavailable("away")
        await super().arrived(boot, employees, token)
        await self._after()

    async def departed(self, boot: str, ago: Mapping[str, float | None], token: str) -> None:
        if self._skips():
            raise Unavailable("away")
        await super().departed(boot, ago, token)
        await self._after()

    def _skips(self) -> bool:
        if self.failures and self.failures[0] == "not done":
            self.failures.pop(0)
            return True
        return False

    async def _after(self) -> None:
        self.writes += 1
        self.written.set()
        await self.gate.wait()
        if self.failures:
            self.failures.pop(0)
            raise Unavailable("no answer")


Start = Callable[..., Instance]


@pytest.fixture
async def store(mongo_url: str) -> AsyncIterator[BrokenStore]:
    mongo = Mongo(mongo_url, f"presence_{uuid4().hex[:12]}", PresenceStore.prepare)
    await mongo.run()
    database = mongo.ready_database()
    await database["convos"].insert_many(
        {"participants": [employee, "zoe"], "updated_at": 0} for employee in ("ann", "bob")
    )
    yield BrokenStore(mongo.ready_database)
    await mongo.client.drop_database(database.name)
    mongo.close()


@pytest.fixture
async def start(store: BrokenStore) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        def begin(name: str = "chat-1", grace: float = GRACE) -> Instance:
            instance = Instance(store, name, grace)
            stack.push_async_callback(instance.kill)
            return instance

        yield begin


async def test_coming_and_going_is_told_once_to_the_partners(start: Start) -> None:
    chat = start()
    chat.connect("ann", "nobody's partner")
    await chat.sees("nobody's partner", "online")
    await chat.tells(1)
    chat.disconnect("ann")
    await chat.tells(2)
    assert chat.told == ["ann online", "ann offline"]


async def test_a_reload_is_no_news(start: Start) -> None:
    chat = start(grace=3.0)
    chat.connect("ann")
    await chat.tells(1)
    for _ in range(5):
        chat.disconnect("ann")
        await chat.sees("ann", "online")
        chat.connect("ann")
    chat.connect("bob")
    await chat.tells(2)
    assert chat.told == ["ann online", "bob online"]


async def test_all_who_come_together_are_one_write(start: Start, store: BrokenStore) -> None:
    chat = start()
    await chat.keeper.of(["ann"])
    chat.connect(*(f"employee {number}" for number in range(400)))
    await chat.sees("employee 399", "online")

    async def is_counted() -> bool:
        return store.writes > 0

    await until(is_counted)
    assert store.writes == 1


async def test_leaving_one_of_two_instances_is_no_news(start: Start) -> None:
    one, two = start("chat-1"), start("chat-2")
    one.connect("ann")
    await one.tells(1)
    two.connect("ann", "bob")
    await two.tells(1)
    one.disconnect("ann")
    two.disconnect("bob")
    await two.tells(2)
    two.disconnect("ann")
    await two.tells(3)
    assert one.told == ["ann online"]
    assert two.told == ["bob online", "bob offline", "ann offline"]


@pytest.mark.parametrize("failure", ["not done", "done, but nobody knows"])
async def test_a_write_that_failed_is_done_again_and_told_once(
    start: Start, store: BrokenStore, failure: str
) -> None:
    chat = start()
    store.failures = [failure]
    chat.connect("ann")
    await chat.tells(1)
    store.failures = [failure]
    chat.disconnect("ann")
    await chat.tells(2)
    assert chat.told == ["ann online", "ann offline"]
    assert store.failures == []


@pytest.mark.parametrize("fails", [False, True])
async def test_who_leaves_while_the_arrival_is_written_goes_offline(
    start: Start, store: BrokenStore, fails: bool
) -> None:
    chat = start()
    store.gate.clear()
    chat.connect("ann")
    await store.written.wait()
    chat.disconnect("ann")
    store.failures = ["done, but nobody knows"] if fails else []
    store.gate.set()
    await chat.sees("ann", "offline")


@pytest.mark.parametrize("fails", [False, True])
async def test_who_comes_back_while_the_departure_is_written_is_online(
    start: Start, store: BrokenStore, fails: bool
) -> None:
    chat = start()
    chat.connect("ann")
    await chat.sees("ann", "online")
    store.gate.clear()
    store.written.clear()
    chat.disconnect("ann")
    await store.written.wait()
    chat.connect("ann")
    store.failures = ["done, but nobody knows"] if fails else []
    store.gate.set()
    await chat.sees("ann", "online")
    chat.disconnect("ann")
    await chat.sees("ann", "offline")


async def test_people_of_an_instance_that_died_go_offline(start: Start) -> None:
    one, two = start("chat-1"), start("chat-2")
    one.connect("ann", "bob")
    await one.tells(2)
    two.connect("bob")

    async def bob_is_at_both() -> bool:
        return two.keeper._written.get("bob", False)

    await until(bob_is_at_both)
    await one.kill()
    await two.tells(1)
    assert two.told == ["ann offline"]
    assert await two.status("bob") == "online"


async def test_people_of_an_instance_that_ended_have_the_grace_time_to_come_back(
    start: Start,
) -> None:
    one, two = start("chat-1"), start("chat-2")
    one.connect("ann", "bob")
    await one.tells(2)
    await one.kill()
    await one.keeper.end()
    two.connect("ann")
    await two.tells(1)
    assert two.told == ["bob offline"]
    assert await two.status("ann") == "online"


async def test_an_instance_that_starts_again_takes_over_its_people(start: Start) -> None:
    one = start("chat-1")
    one.connect("ann", "bob")
    await one.tells(2)
    await one.kill()
    again = start("chat-1")
    again.connect("ann")
    await again.tells(1)
    assert again.told == ["bob offline"]
    assert await again.status("ann") == "online"


async def test_an_instance_whose_lease_was_over_goes_on_and_nobody_goes_offline(
    start: Start, store: BrokenStore
) -> None:
    chat = start()
    chat.connect("ann")
    await chat.tells(1)
    first = (await store.former("chat-1"))[0].id
    await store.forget(first)

    async def lives_on() -> bool:
        assert await chat.status("ann") == "online"
        return bool(await store.former("chat-1"))

    await until(lives_on)
    chat.disconnect("ann")
    await chat.tells(2)
    assert chat.told == ["ann online", "ann offline"]


async def test_people_who_were_cleared_by_mistake_are_online_again(
    start: Start, store: BrokenStore
) -> None:
    chat = start()
    chat.connect("ann")
    await chat.tells(1)
    first = (await store.former("chat-1"))[0].id
    await store.departed(first, {"ann": 0.0}, "by another instance")
    await store.forget(first)
    await chat.sees("ann", "online")
    await chat.tells(2)
    assert chat.told == ["ann online", "ann online"]
