"""A process is killed, stands still, or is restarted."""

import asyncio
from collections.abc import Sequence

from tests.fault.chaos.faults.fault import Stage
from tests.fault.chaos.system import Process
from tests.support.system import Service


class Killed:
    """SIGKILL, and started again at the end."""

    def __init__(self, process: Process) -> None:
        self.target = process.name
        self.instances = _instances(process)
        self._process = process

    async def begin(self) -> None:
        await asyncio.to_thread(self._process.kill)

    async def end(self) -> None:
        await start(self._process)


class Paused:
    """SIGSTOP, until SIGCONT: its connections stay, and nobody answers."""

    def __init__(self, process: Process) -> None:
        self.target = process.name
        self.instances = _instances(process)
        self._process = process

    async def begin(self) -> None:
        self._process.pause()

    async def end(self) -> None:
        self._process.resume()


class Restarted:
    """SIGTERM, and started again once it has ended."""

    def __init__(self, process: Process) -> None:
        self.target = process.name
        self.instances = _instances(process)
        self._process = process

    async def begin(self) -> None:
        status = await asyncio.to_thread(self._process.stop)
        if status not in (0, None):
            raise AssertionError(f"{self.target} ended with status {status}")

    async def end(self) -> None:
        await start(self._process)


async def start(process: Process) -> None:
    """Start what does not run. What it needs may be away: it has to wait for that by itself."""
    if process.running:
        return
    if isinstance(process, Service):
        process.launch()
    else:
        await asyncio.to_thread(process.start)


def any_chat(stage: Stage) -> Process:
    return stage.dice.choice(stage.system.chats)


def any_auth(stage: Stage) -> Process:
    return stage.dice.choice(stage.system.auths)


def any_member(stage: Stage) -> Process:
    """The primary in every second case."""
    primary = stage.system.replica_set.primary()
    members: Sequence[Process] = stage.system.members
    chosen = stage.dice.choice(members)
    return primary if stage.dice.random() < 0.5 and primary is not None else chosen


def the_broker(stage: Stage) -> Process:
    return stage.system.broker


def _instances(process: Process) -> tuple[str, ...]:
    return (process.name,) if process.name.startswith("chat") else ()
