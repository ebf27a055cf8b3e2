"""What was refused for now comes again, and no message of its sender has overtaken it."""

from uuid import uuid4

import pytest

from tests.cluster.conftest import Launch
from tests.support.device import Device, assert_in_order_of_sending
from tests.support.system import System

BURST = 20
COUNT = 60


@pytest.fixture
async def slow(launch: Launch, mongo_url: str, amqp_url: str) -> System:
    settings = {"RATE_LIMITS": "on", "OP_RATE": "20", "OP_BURST": str(BURST)}
    return await launch(mongo_url, amqp_url, instances=1, settings=settings)


async def test_nothing_behind_a_refused_message_is_stored_before_it_comes_again(
    slow: System,
) -> None:
    ann, bob, eve = [await slow.person(name) for name in ("ann", "bob", "eve")]
    async with slow.connect(ann) as a:
        ids = [str(uuid4()) for _ in range(COUNT)]
        for number, id in enumerate(ids):
            await a.say(bob.email, f"{number}", id)
        await a.until(lambda: len(a.of("ack")) + len(a.of("error")) == COUNT)
        stored = [ack["id"] for ack in a.of("ack")]
        refused = a.of("error")
        assert stored == ids[: len(stored)]  # although rates would have let others through
        assert [error["id"] for error in refused] == ids[len(stored) :]
        assert {error["code"] for error in refused} == {"rate_limited"}
        assert all(error["retry_after_ms"] > 0 for error in refused)
        # The first of them opens the way, and other conversations were never held up.
        while not a.of("ack", id=refused[0]["id"]):
            await a.said(bob.email, "again", refused[0]["id"])
        await a.said(eve.email, "hello")


async def test_a_device_that_keeps_to_the_rules_keeps_its_order(slow: System) -> None:
    ann, bob = await slow.person("ann"), await slow.person("bob")
    url = slow.chats[0].url
    async with Device(ann, url) as anns, Device(bob, url) as bobs:
        for number in range(COUNT):
            anns.say(bob, f"hello {number}")
        await anns.until(lambda: not anns.outbox)
        await bobs.until(lambda: bobs.cursor(ann) == COUNT)
        assert anns.refusals
        assert_in_order_of_sending(bobs, ann)
