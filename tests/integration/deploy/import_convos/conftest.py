"""A reference system for each test, with databases of its own on a real MongoDB."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.integration.deploy.import_convos.reference_system import ReferenceSystem


@pytest.fixture
def reference(mongo_url: str, tmp_path: Path) -> Iterator[ReferenceSystem]:
    with MongoClient[dict[str, Any]](
        mongo_url, tz_aware=True, uuidRepresentation="standard"
    ) as client:
        system = ReferenceSystem(client, mongo_url, tmp_path)
        yield system
        system.drop()
