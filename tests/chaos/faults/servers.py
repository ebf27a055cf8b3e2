"""MongoDB, RabbitMQ and the clocks misbehave by themselves."""

import asyncio
from contextlib import suppress

from pymongo.errors import PyMongoError

from tests.chaos.faults.fault import Stage
from tests.chaos.faults.processes import start


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


class ClockJump:
    """The wall clock of one chat instance, or of the auth replicas, is wrong for a while."""

    instances: tuple[str, ...] = ()

    def __init__(self, stage: Stage) -> None:
        name = stage.dice.choice(sorted(stage.system.clocks))
        self._jump = stage.dice.choice((-3600, -30, -2, 2, 30, 600, 10_000))
        self._clock = stage.system.clocks[name]
        self.target = f"{name} ({self._jump:+d} s)"

    async def begin(self) -> None:
        self._clock.jump(self._jump)

    async def end(self) -> None:
        self._clock.jump(0)
