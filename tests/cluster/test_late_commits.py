"""A commit takes long, and whoever would tell of it is killed or cut off. Promise 3: a connected
device has everything all the same, and needs no other message for that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from chat_service.log import between
from tests.fault.chaos.replica_set import Member, ReplicaSet
from tests.support.conditions import eventually
from tests.support.device import Device
from tests.support.relay import Relay
from tests.support.system import Person, System

STORED = 3
A, B, C = range(3)


class Stage:
    """Three instances; Ann has written to Bob, who is not connected."""

    def __init__(self, system: System, replica_set: ReplicaSet, ann: Person, bob: Person) -> None:
        self.system = system
        self.ann = ann
        self.bob = bob
        self.id = str(uuid4())
        self._replica_set = replica_set

    @asynccontextmanager
    async def slow_commit(self) -> "AsyncIterator[asyncio.Task[tuple[int, dict[str, object]]]]":
        """Ann sends one more through A; until the end of the block only the primary has it."""
        primary = self._replica_set.primary()
        assert primary is not None
        secondaries = [one for one in self._replica_set.members if one is not primary]
        for one in secondaries:
            one.pause()
        try:
            sending = asyncio.create_task(self.send(A))
            await asyncio.to_thread(eventually, lambda: self._has_it(primary))
            yield sending
        finally:
            for one in secondaries:
                one.resume()

    def _has_it(self, primary: Member) -> bool:
        query = {"convo": between(self.ann.email, self.bob.email).id, "seq": STORED + 1}
        return primary.has(self.system.chat_database, "messages", query)

    async def send(self, instance: int) -> tuple[int, dict[str, object]]:
        return await self.system.send(
            self.ann, self.bob, "the last one", id=self.id, instance=instance
        )


@asynccontextmanager
async def staged(
    tmp_path: Path, replica_set: ReplicaSet, amqp_url: str, **more: object
) -> AsyncIterator[Stage]:
    system = System(tmp_path, replica_set.url, amqp_url, instances=3, **more)  # type: ignore[arg-type]
    try:
        await asyncio.to_thread(system.start)
        ann, bob = await system.person("ann"), await system.person("bob")
        for number in range(STORED):
            status, _ = await system.send(ann, bob, f"{number}", instance=A)
            assert status == 201
        yield Stage(system, replica_set, ann, bob)
    finally:
        system.kill()


@pytest.mark.parametrize("repeats", [True, False])
async def test_whoever_acknowledged_nothing_was_killed(
    tmp_path: Path, replica_set: ReplicaSet, amqp_url: str, repeats: bool
) -> None:
    async with staged(tmp_path, replica_set, amqp_url) as stage:
        async with stage.slow_commit() as sending:
            await asyncio.to_thread(stage.system.chats[A].kill)
            await asyncio.gather(sending, return_exceptions=True)
            bobs = Device(stage.bob, stage.system.chats[B].url)
            await bobs.join()
            assert bobs.cursor(stage.ann) == STORED
        if repeats:
            status, body = await stage.send(C)
            assert (status, body["message"]["seq"]) == (200, STORED + 1)  # type: ignore[index]
        await bobs.until(lambda: bobs.cursor(stage.ann) == STORED + 1)
        await bobs.leave()


async def test_whoever_acknowledged_was_cut_off_from_the_broker(
    tmp_path: Path, replica_set: ReplicaSet, amqp_url: str
) -> None:
    async with Relay(amqp_url) as relay:
        cut_off = {A: {"AMQP_URL": relay.url}}
        async with staged(tmp_path, replica_set, amqp_url, instance_settings=cut_off) as stage:
            relay.cut()
            await asyncio.to_thread(
                eventually, lambda: "rabbitmq" in stage.system.chats[A].failing()
            )
            async with stage.slow_commit() as sending:
                bobs = Device(stage.bob, stage.system.chats[B].url)
                await bobs.join()
                assert bobs.cursor(stage.ann) == STORED
            status, _ = await sending
            assert status == 201
            relay.mend()
            await bobs.until(lambda: bobs.cursor(stage.ann) == STORED + 1)
            await bobs.leave()
