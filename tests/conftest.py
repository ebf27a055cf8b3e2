"""MongoDB and RabbitMQ for the tests: our own, on free ports, started when a test first asks.

A test may stop, kill or pause a server; whoever asks for its address next finds it running.
"""

from collections.abc import Iterator

import pytest

from deploy.local.backing.mongodb import MongoServer
from deploy.local.backing.rabbitmq import RabbitServer


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    server = MongoServer(tmp_path_factory.mktemp("mongodb"))
    yield server
    server.kill()


@pytest.fixture(scope="session")
def rabbit_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    server = RabbitServer(tmp_path_factory.mktemp("rabbitmq"))
    yield server
    server.kill()


@pytest.fixture
def mongo_url(mongo_server: MongoServer) -> str:
    mongo_server.resume()
    mongo_server.start()
    return mongo_server.url


@pytest.fixture
def amqp_url(rabbit_server: RabbitServer) -> str:
    rabbit_server.resume()
    rabbit_server.start()
    return rabbit_server.url
