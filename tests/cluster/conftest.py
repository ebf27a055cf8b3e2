"""One system of two chat instances for all tests that leave it as they found it, and systems of
their own for those that do not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.backing.mongodb import MongoServer
from deploy.local.backing.rabbitmq import RabbitServer
from tests.fault.chaos.replica_set import HOST, Member, ReplicaSet
from tests.support.system import System


@pytest.fixture(scope="session")
def system(
    tmp_path_factory: pytest.TempPathFactory, mongo_server: MongoServer, rabbit_server: RabbitServer
) -> Iterator[System]:
    mongo_server.start()
    rabbit_server.start()
    system = System(tmp_path_factory.mktemp("system"), mongo_server.url, rabbit_server.url)
    try:
        system.start()
        yield system
    finally:
        system.kill()


@pytest.fixture(scope="session")
def replicated(
    tmp_path_factory: pytest.TempPathFactory, mongo_server: MongoServer, rabbit_server: RabbitServer
) -> Iterator[System]:
    """Two auth replicas and two chat instances, for tests that leave them as they found them."""
    mongo_server.start()
    rabbit_server.start()
    folder = tmp_path_factory.mktemp("replicated")
    system = System(folder, mongo_server.url, rabbit_server.url, replicas=2)
    try:
        system.start()
        yield system
    finally:
        system.kill()


@pytest.fixture
def replica_set(tmp_path: Path) -> Iterator[ReplicaSet]:
    """Three members of one test's own."""
    members = [Member(f"mongo-{number}", tmp_path / f"mongo-{number}") for number in (1, 2, 3)]
    replica_set = ReplicaSet(members, [f"{HOST}:{member.port}" for member in members])
    try:
        replica_set.start()
        yield replica_set
    finally:
        for member in members:
            member.kill()


Launch = Callable[..., Awaitable[System]]
"""Starts a system of its own: (mongo_url, amqp_url, and what else `System` takes)."""


@pytest.fixture
async def launch(tmp_path: Path) -> AsyncIterator[Launch]:
    """Systems for one test; they are gone after it."""
    systems: list[System] = []

    async def start(mongo_url: str, amqp_url: str, **more: object) -> System:
        system = System(tmp_path, mongo_url, amqp_url, **more)  # type: ignore[arg-type]
        systems.append(system)
        await asyncio.to_thread(system.start)
        return system

    yield start
    for system in systems:
        system.kill()


@pytest.fixture
async def own_system(launch: Launch, mongo_url: str, amqp_url: str) -> System:
    """Two instances that a test may hurt, on the servers that all tests share."""
    return await launch(mongo_url, amqp_url)


@pytest.fixture(scope="module")
def own_mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """A MongoDB that the tests of one file may stop and kill."""
    server = MongoServer(tmp_path_factory.mktemp("own-mongodb"))
    yield server
    server.kill()


@pytest.fixture(scope="module")
def own_rabbit_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """A RabbitMQ that the tests of one file may stop and kill."""
    server = RabbitServer(tmp_path_factory.mktemp("own-rabbitmq"))
    yield server
    server.kill()
