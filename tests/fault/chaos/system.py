"""The system under test: two auth replicas, three chat instances, three MongoDB members and a
RabbitMQ, with a link of our own between each process and each server it uses."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol, Self

from msgspec import Struct

from deploy.local.backing.rabbitmq import RabbitServer
from tests.fault.chaos.disk import SmallDisk
from tests.fault.chaos.network import Network
from tests.fault.chaos.replica_set import Member, ReplicaSet
from tests.support.conditions import until
from tests.support.system import Person, Service
from tests.support.system import System as Services

AUTHS = 2
CHATS = 3
MEMBERS = 3
READY_SECONDS = 180.0
"""After the last fault, on a machine with much else to do."""

SETTINGS = {
    "LOG_LEVEL": "INFO",
    "ACCESS_TOKEN_SECONDS": "86400",  # tokens are not this test's subject, clocks are
    "HEARTBEAT_SECONDS": "6",
    "MAX_WRITE_BUFFER": "131072",
    "MAX_EMPLOYEE_CONNECTIONS": "100",
}


class Process(Protocol):
    """One process of the system. All of these may take a while, and may be called at any time."""

    name: str

    @property
    def running(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> object: ...
    def kill(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Broker(RabbitServer):
    name = "rabbitmq"


class Entrance(Struct, frozen=True):
    """Where clients reach a chat instance; `direct` is the way past its front."""

    name: str
    url: str
    direct: str


class System:
    """`async with System(folder) as system`: everything runs; after it, nothing does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = Network()
        self.members = [
            Member(f"mongo-{number}", folder / f"mongo-{number}")
            for number in range(1, MEMBERS + 1)
        ]
        self.disk = SmallDisk(self.members[-1].data)
        self.broker = Broker(folder / "rabbitmq")
        self.entrances: list[Entrance] = []
        self.replica_set: ReplicaSet
        self._services: Services
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._end)
            await self._start()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def chats(self) -> list[Service]:
        return self._services.chats

    @property
    def auths(self) -> list[Service]:
        return self._services.auths

    @property
    def processes(self) -> Sequence[Process]:
        return [*self.auths, *self.chats, *self.members, self.broker]

    def process(self, name: str) -> Process:
        return next(one for one in self.processes if one.name == name)

    async def person(self, name: str) -> Person:
        return await self._services.person(name)

    async def ready(self) -> None:
        """Returns when every process runs and says that it is ready. Raises TimeoutError."""

        async def all_ready() -> bool:
            return await asyncio.to_thread(self.replica_set.is_whole) and all(
                [await asyncio.to_thread(service.is_ready) for service in self._services.services]
            )

        await until(all_ready, READY_SECONDS)

    async def _start(self) -> None:
        await asyncio.to_thread(self.disk.mount)
        addresses = []
        for member in self.members:
            self.network.know(member.name, lambda member=member: member.pid)  # type: ignore[misc]
            addresses.append(f"127.0.0.1:{await self.network.front(member.name, member.port)}")
        self.replica_set = ReplicaSet(self.members, addresses)
        broker_port = await self.network.front("rabbitmq", self.broker.port)
        await asyncio.gather(
            asyncio.to_thread(self.replica_set.start), asyncio.to_thread(self.broker.start)
        )
        amqp_url = f"amqp://guest:guest@127.0.0.1:{broker_port}/"
        await self._start_services(amqp_url)

    async def _start_services(self, amqp_url: str) -> None:
        self._services = Services(
            self.folder,
            self.replica_set.url,
            amqp_url,
            instances=CHATS,
            replicas=AUTHS,
            settings=SETTINGS,
        )
        auth_fronts = [await self.network.front(one.name, one.port) for one in self.auths]
        for number, chat in enumerate(self.chats):
            front = auth_fronts[number % len(auth_fronts)]
            chat.environment["AUTH_URL"] = f"http://127.0.0.1:{front}"
        for service in self._services.services:
            self.network.know(service.name, lambda service=service: service.pid)  # type: ignore[misc]
            service.launch()
        for chat in self.chats:
            front = await self.network.front(chat.name, chat.port)
            self.entrances.append(Entrance(chat.name, f"http://127.0.0.1:{front}", chat.url))
        await self.ready()

    async def _end(self) -> None:
        for process in self.processes if hasattr(self, "_services") else self.members:
            process.kill()
        await asyncio.to_thread(self.broker.kill)
        await self.network.close()
        await asyncio.to_thread(self.disk.unmount)
