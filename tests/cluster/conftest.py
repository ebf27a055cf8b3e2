"""One system of two chat instances for all tests that leave it as they found it."""

from collections.abc import Iterator

import pytest

from deploy.local.mongodb import MongoServer
from deploy.local.rabbitmq import RabbitServer
from tests.cluster.system import System


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
