"""MongoDB elects another primary while people are connected."""

import asyncio
from pathlib import Path

from tests.fault.chaos.replica_set import ReplicaSet
from tests.support.conditions import eventually
from tests.support.device import Device, assert_exact, shows_all, talking
from tests.support.system import System

STEP_DOWN_SECONDS = 20


async def test_everybody_resumes_from_the_new_primary_and_nothing_is_lost(
    tmp_path: Path, replica_set: ReplicaSet, amqp_url: str
) -> None:
    """Promise 4: what a deposed primary may have withheld from a resume is made good."""
    system = System(tmp_path, replica_set.url, amqp_url, instances=2)
    try:
        await asyncio.to_thread(system.start)
        ann, ben = await system.person("ann"), await system.person("ben")
        here, there = (chat.url for chat in system.chats)
        async with Device(ann, here) as anns, Device(ben, there) as bens:
            async with talking(anns, ben, "hello"):
                await anns.until(lambda: bool(anns.acks))
                deposed = replica_set.primary()
                assert deposed is not None
                deposed.run("replSetStepDown", STEP_DOWN_SECONDS, force=True)
                await asyncio.to_thread(
                    eventually, lambda: replica_set.primary() not in (None, deposed)
                )
                await anns.until(lambda: anns.resyncs > 0)
                await bens.until(lambda: bens.resyncs > 0)
            history = await system.history(ann, ben)
            await shows_all([anns], ben, len(history))
            await shows_all([bens], ann, len(history))
            assert_exact(history, [anns], [bens])
    finally:
        system.kill()
