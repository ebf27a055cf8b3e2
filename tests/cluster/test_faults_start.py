"""Services come before what they depend on: each becomes ready when it can, and says till then what
is missing."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.backing.mongodb import MongoServer
from deploy.local.backing.rabbitmq import RabbitServer
from tests.support.conditions import eventually
from tests.support.device import Device, assert_exact, shows_all
from tests.support.system import Service, System


@pytest.fixture
def unstarted(
    tmp_path: Path, own_mongo_server: MongoServer, own_rabbit_server: RabbitServer
) -> Iterator[System]:
    """Nothing of it runs yet, neither do its servers."""
    system = System(tmp_path, own_mongo_server.url, own_rabbit_server.url)
    yield system
    system.kill()


async def lacks(service: Service, *names: str) -> None:
    """Returns when readiness names just these."""

    def says_so() -> bool:
        try:
            return service.failing().keys() == set(names)
        except OSError:
            return False  # it does not listen yet

    await asyncio.to_thread(eventually, says_so)


async def test_services_started_before_their_dependencies_become_ready_when_these_come(
    unstarted: System, own_mongo_server: MongoServer, own_rabbit_server: RabbitServer
) -> None:
    system = unstarted
    for chat in system.chats:
        chat.launch()
    for chat in system.chats:
        await lacks(chat, "mongodb", "rabbitmq", "signing keys", "revoked sessions")
    system.auth.launch()
    await lacks(system.auth, "mongodb")
    for chat in system.chats:
        await lacks(chat, "mongodb", "rabbitmq", "revoked sessions")
    await asyncio.to_thread(own_mongo_server.start)
    await lacks(system.auth)
    for chat in system.chats:
        await lacks(chat, "rabbitmq", "revoked sessions")
    ann, bob = await system.person("ann"), await system.person("bob")
    here, there = (chat.url for chat in system.chats)
    async with Device(ann, here) as a, Device(bob, there) as b:
        a.say(bob, "before RabbitMQ 0")
        await a.until(lambda: not a.outbox)
        await asyncio.to_thread(own_rabbit_server.start)
        for chat in system.chats:
            await lacks(chat)
        b.say(ann, "after RabbitMQ 0")
        await shows_all((a,), bob, 2)
        await shows_all((b,), ann, 2)
        assert_exact(await system.history(ann, bob), (a,), (b,))
