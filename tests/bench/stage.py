"""What every figure is measured on: MongoDB, RabbitMQ and the services, of this run alone."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Self

from msgspec import Struct
from pymongo import MongoClient

from auth_service.tokens.issuer import TokenIssuer
from auth_service.tokens.keys import load_keys
from chat_service.log.conversation import Conversation, between
from chat_service.settings import ChatSettings
from deploy.local.backing.mongodb import MongoServer
from deploy.local.backing.rabbitmq import RabbitServer
from shared.settings import Settings, table
from tests.bench.processes import Program, descendants, program_of

TOKEN_SECONDS = 3600
BENCH_SETTINGS = {"RATE_LIMITS": "off"}
"""What differs from the shipped defaults, beside addresses."""


class Person(Struct, frozen=True):
    email: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The bare server believes the second header; the chat service does not look at it."""
        return {"Authorization": f"Bearer {self.token}", "X-Employee": self.email}


class Pair(Struct, frozen=True):
    sender: Person
    receiver: Person

    @property
    def conversation(self) -> Conversation:
        return between(self.sender.email, self.receiver.email)


class Stage:
    """Starts servers for figures, and stops them all at its end."""

    def __init__(
        self,
        folder: Path,
        mongo_url: str | None = None,
        amqp_url: str | None = None,
        token_seconds: int = TOKEN_SECONDS,
    ) -> None:
        """Servers of its own unless both addresses are given."""
        self._token_seconds = token_seconds
        self.folder = folder
        self.mongo_url = mongo_url or ""
        self.amqp_url = amqp_url or ""
        self._stack = AsyncExitStack()
        self._numbers = count(1)
        self._people = count(1)

    async def __aenter__(self) -> Self:
        try:
            if not self.mongo_url:
                await self._start_servers()
            self.servers = _server_pids()
            self.auth = await self._stack.enter_async_context(self.auth_service())
            keys = load_keys(self.folder / "keys")
            self._issuer = TokenIssuer(
                keys, issuer="messaging-auth", audience="messaging", lifetime=self._token_seconds
            )
            self.mongo: MongoClient[dict[str, Any]] = self._stack.enter_context(
                MongoClient(self.mongo_url, serverSelectionTimeoutMS=5000)
            )
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def auth_service(self) -> AsyncIterator[Program]:
        """An auth service on a database of its own; all sign with the same key."""
        own = {"SIGNING_KEYS": str(self.folder / "keys")}
        async with self._program("auth_service", own, self.database_name("auth")) as program:
            await program.ready()
            yield program

    @asynccontextmanager
    async def chat(
        self, database: str | None = None, instances: int = 1, amqp_url: str | None = None
    ) -> AsyncIterator[list[Program]]:
        """Instances on one database, a new one unless it is named; in the end it is dropped."""
        name = database or self.database_name("chat")
        async with AsyncExitStack() as stack:
            stack.callback(self.mongo.drop_database, name)
            programs = []
            for number in range(1, instances + 1):
                own = {
                    "AMQP_URL": amqp_url or self.amqp_url,
                    "AUTH_URL": self.auth.url,
                    "INSTANCE_ID": f"{name}-{number}",
                }
                programs.append(
                    await stack.enter_async_context(self._program("chat_service", own, name))
                )
            for program in programs:
                await program.ready()
            yield programs

    @asynccontextmanager
    async def bare(self) -> AsyncIterator[Program]:
        """The bare aiohttp handlers that figures are compared with."""
        async with self._program("tests.bench.bare_server", {}, "none") as program:
            await program.ready()
            yield program

    def database_name(self, purpose: str) -> str:
        return f"bench_{os.getpid()}_{purpose}_{next(self._numbers)}"

    def person(self) -> Person:
        """Somebody with a new token, whom the auth service need not know."""
        number = next(self._people)
        email = f"bench.{number:06d}@example.org"
        token = self._issuer.issue(
            employee=f"{number:024x}", email=email, name="Bench", session=f"session-{number}"
        )
        return Person(email, token)

    def pairs(self, number: int) -> list[Pair]:
        return [Pair(self.person(), self.person()) for _ in range(number)]

    def pids(self, *names: str) -> list[int]:
        """The processes of `mongod` or `rabbitmq`."""
        return [pid for name in names for pid in self.servers[name]]

    @asynccontextmanager
    async def _program(
        self, module: str, own: Mapping[str, str], database: str
    ) -> AsyncIterator[Program]:
        environment = {
            **BENCH_SETTINGS,
            "MONGO_URL": self.mongo_url,
            "MONGO_DATABASE": database,
            **own,
        }
        name = f"{module}-{next(self._numbers)}"
        program = Program(module, name, self.folder, environment)
        try:
            yield program
        finally:
            await asyncio.to_thread(program.stop)

    async def _start_servers(self) -> None:
        mongo = MongoServer(self.folder / "mongodb")
        rabbit = RabbitServer(self.folder / "rabbitmq")
        self._stack.callback(mongo.kill)
        self._stack.callback(rabbit.kill)
        await asyncio.gather(asyncio.to_thread(mongo.start), asyncio.to_thread(rabbit.start))
        self.mongo_url, self.amqp_url = mongo.url, rabbit.url


def chosen_settings() -> dict[str, str]:
    """Settings of the chat service that differ from the shipped defaults."""
    chosen = {
        name: os.environ[name]
        for name, _, _ in table(ChatSettings)
        if os.environ.get(name) and name not in _OURS
    }
    return {**chosen, **BENCH_SETTINGS}


def all_settings(kind: type[Settings]) -> dict[str, str]:
    """Every setting of a service as it is measured, except addresses."""
    chosen = {**os.environ, **BENCH_SETTINGS}
    return {
        name: chosen.get(name) or default for name, _, default in table(kind) if name not in _OURS
    }


_OURS = frozenset(
    {
        "MONGO_URL",
        "MONGO_DATABASE",
        "AMQP_URL",
        "AUTH_URL",
        "HOST",
        "PORT",
        "INSTANCE_ID",
        "SIGNING_KEYS",
    }
)


def _server_pids() -> dict[str, list[int]]:
    """Ours alone: other servers of these names may run on this machine."""
    found: dict[str, list[int]] = {"mongod": [], "rabbitmq": []}
    for pid in descendants(os.getpid()):
        program = program_of(pid)
        if program == "mongod":
            found["mongod"].append(pid)
        elif program == "beam.smp":
            found["rabbitmq"] += [pid, *descendants(pid)]
    return found
