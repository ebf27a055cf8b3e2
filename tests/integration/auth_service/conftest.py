"""An auth service for each test: real MongoDB, a database of its own, the cheapest bcrypt."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from auth_service.settings import AuthSettings
from tests.support.auth_service import AuthService, Starter


@pytest.fixture
def settings(mongo_url: str, tmp_path: Path) -> AuthSettings:
    return AuthSettings(
        mongo_url=mongo_url,
        mongo_database=f"auth_{uuid4().hex}",
        signing_keys=str(tmp_path / "keys"),
        host="127.0.0.1",
        port=0,
        bcrypt_cost=4,
        rate_limits=False,
    )


@pytest.fixture
def stored(settings: AuthSettings) -> Iterator[Database[dict[str, Any]]]:
    """The service's database, to look at what it stored."""
    with MongoClient[dict[str, Any]](settings.mongo_url, tz_aware=True) as client:
        yield client[settings.mongo_database]
        client.drop_database(settings.mongo_database)


@pytest.fixture
async def start() -> AsyncIterator[Starter]:
    """Starts auth services, which end with the test."""
    async with AsyncExitStack() as stack:

        async def starter(settings: AuthSettings, *, ready: bool = True) -> AuthService:
            service = await stack.enter_async_context(AuthService(settings))
            if ready:
                await service.ready()
            return service

        yield starter


@pytest.fixture
async def auth(
    start: Starter, settings: AuthSettings, stored: Database[dict[str, Any]]
) -> AuthService:
    return await start(settings)
