"""MongoDB and RabbitMQ misbehave by themselves, a disk is full, a clock is wrong."""

import asyncio
from contextlib import suppress

from pymongo.errors import PyMongoError

from tests.fault.chaos.clock import wrong_clock
from tests.fault.chaos.faults.fault import Stage
from tests.fault.chaos.faults.processes import start


class StepDown:
    """The primary gives up its office, and will not take it again for a while."""

    instances: tuple[str, ...] = ()

    def __init__(self, stage: Stage) -> None:
        self.target = "nobody"
        self._stage = stage

    async def begin(self) -> None:
        primary = await asyncio.to_thread(self._stage.system.replica_set.primary)
        if primary is not None:
            self.target = primary.name
            # Closing the connection that asked is part of it.
            with suppress(PyMongoError):
                await asyncio.to_thread(primary.run, "replSetStepDown", 10, force=True)

    async def end(self) -> None:
        pass


class SecondariesPaused:
    """Commits take until the secondaries are back, or until the primary has stepped down."""

    instances: tuple[str, ...] = ()

    def __init__(self, stage: Stage) -> None:
        primary = stage.system.replica_set.primary()
        self._members = [one for one in stage.system.members if one is not primary]
        self.target = ", ".join(one.name for one in self._members)

    async def begin(self) -> None:
        for member in self._members:
            member.pause()

    async def end(self) -> None:
        for member in self._members:
            member.resume()


class ClosedByBroker:
    """RabbitMQ closes all connections, as an operator would have it do."""

    instances: tuple[str, ...] = ()

    def __init__(self, stage: Stage) -> None:
        self.target = "rabbitmq"
        self._broker = stage.system.broker

    async def begin(self) -> None:
        await asyncio.to_thread(self._broker.control, "close_all_connections", "chaos")

    async def end(self) -> None:
        pass


class FullDisk:
    """No room for another byte in one member's folder; mongod ends itself over that."""

    instances: tuple[str, ...] = ()

    def __init__(self, stage: Stage) -> None:
        self._member = stage.system.members[-1]
        self._disk = stage.system.disk
        self._lead = stage.dice.random() < 0.6
        self.target = self._member.name

    async def begin(self) -> None:
        if self._lead:
            with suppress(PyMongoError):  # another member may be ahead of it
                await asyncio.to_thread(self._member.run, "replSetStepUp")
                self.target += " (primary)"
        await asyncio.to_thread(self._disk.fill)

    async def end(self) -> None:
        await asyncio.to_thread(self._disk.free)
        await start(self._member)


class WrongClock:
    """A chat instance or an auth replica comes up with a wrong wall clock, and is started again
    with the right one."""

    def __init__(self, stage: Stage) -> None:
        self._service = stage.dice.choice([*stage.system.auths, *stage.system.chats])
        self._ahead = stage.dice.choice((-3600, -30, -2, 2, 30, 600, 10_000))
        self._right = dict(self._service.environment)
        self.target = f"{self._service.name} ({self._ahead:+d} s)"
        self.instances: tuple[str, ...] = ()

    async def begin(self) -> None:
        await self._again(self._right | wrong_clock(self._ahead))

    async def end(self) -> None:
        await self._again(self._right)

    async def _again(self, environment: dict[str, str]) -> None:
        await asyncio.to_thread(self._service.stop)
        self._service.environment = environment
        self._service.launch()
