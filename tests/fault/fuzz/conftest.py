"""A system for the fuzzers, and how long they go on: EXAMPLES and SEED from the environment."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from pymongo import MongoClient

from deploy.local.backing.mongodb import MongoServer
from deploy.local.backing.rabbitmq import RabbitServer
from tests.integration.deploy.import_convos.reference_system import Document, ReferenceSystem
from tests.support.system import System

EXAMPLES = int(os.environ.get("EXAMPLES", "0"))
"""In place of the number that each test has for CI; with it, every run is another one."""


def several(examples: int) -> settings:
    """For a test that talks to real processes: no shrinking, as what they went through cannot be
    taken back; the same examples in each run unless `EXAMPLES` asks for more."""
    return settings(
        max_examples=EXAMPLES or examples,
        deadline=None,
        database=None,
        derandomize=not EXAMPLES,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


@pytest.fixture(scope="module")
def target(
    tmp_path_factory: pytest.TempPathFactory, mongo_server: MongoServer, rabbit_server: RabbitServer
) -> Iterator[System]:
    """One auth service and one chat instance, whose logs and processes only these tests touch."""
    mongo_server.resume()
    mongo_server.start()
    rabbit_server.resume()
    rabbit_server.start()
    settings = {"ACCESS_TOKEN_SECONDS": "86400", "LOG_LEVEL": "INFO"}
    folder = tmp_path_factory.mktemp("target")
    system = System(folder, mongo_server.url, rabbit_server.url, instances=1, settings=settings)
    try:
        system.start()
        yield system
    finally:
        system.kill()


@pytest.fixture
def reference(mongo_url: str, tmp_path: Path) -> Iterator[ReferenceSystem]:
    """A reference system with databases of its own, on a real MongoDB."""
    with MongoClient[Document](mongo_url, tz_aware=True, uuidRepresentation="standard") as client:
        system = ReferenceSystem(client, mongo_url, tmp_path)
        yield system
        system.drop()
