"""Clients misbehave: they do not read, are gone without a word, come back all at once, repeat."""

import asyncio
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import aiohttp

from tests.fault.chaos.faults.fault import Stage
from tests.fault.chaos.system import Entrance
from tests.support.system import Person

STALLED = 6
FLOODING = 3
PIECE, PIECES, PIECE_SECONDS = 500, 100, 0.02
"""Pings in one write, writes on one socket, and the time between two."""
EMPTY_PING = b"\x89\x80\0\0\0\0"
CHURNING = 30
RECEIVE_BYTES = 4096
UPGRADE = (
    "GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Authorization: Bearer {token}\r\n\r\n"
)


class Stalled:
    """Sockets of people who talk, on which nobody ever reads."""

    instances: tuple[str, ...] = ()

    def __init__(self, stage: Stage) -> None:
        self.target = f"{STALLED} sockets"
        self._stage = stage
        self._sockets: list[socket.socket] = []

    async def begin(self) -> None:
        for _ in range(STALLED):
            person = self._stage.dice.choice(self._stage.workload.people)
            entrance = self._stage.dice.choice(self._stage.system.entrances)
            self._sockets.append(socket.socket())
            with suppress(OSError):
                await asyncio.to_thread(_connect, self._sockets[-1], person, entrance)

    async def end(self) -> None:
        for one in self._sockets:
            one.close()


class Vanished:
    """Devices leave connections behind that nobody closes."""

    instances: tuple[str, ...] = ()

    def __init__(self, stage: Stage) -> None:
        self._devices = stage.dice.sample(stage.workload.all_devices, 5)
        self.target = f"{len(self._devices)} devices"

    async def begin(self) -> None:
        for device in self._devices:
            device.vanish()

    async def end(self) -> None:
        pass


class Storm:
    """All devices come back at once, again and again, and strangers with them."""

    instances: tuple[str, ...] = ()

    def __init__(self, stage: Stage) -> None:
        self.target = f"all devices and {CHURNING} more"
        self._stage = stage
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        self._task = asyncio.create_task(self._rage())

    async def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _rage(self) -> None:
        async with aiohttp.ClientSession() as http:
            while True:
                for device in self._stage.workload.all_devices:
                    device.drop()
                await asyncio.gather(*(self._come_and_go(http) for _ in range(CHURNING)))
                await asyncio.sleep(self._stage.dice.uniform(0.3, 1.5))

    async def _come_and_go(self, http: aiohttp.ClientSession) -> None:
        person = self._stage.dice.choice(self._stage.workload.people)
        entrance = self._stage.dice.choice(self._stage.system.entrances)
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with (
                asyncio.timeout(3),
                http.ws_connect(f"{entrance.direct}/ws", headers=person.headers) as ws,
            ):
                await ws.receive()


class Flood:
    """Sockets that send empty pings without end, and are opened again when they are cut off."""

    instances: tuple[str, ...] = ()

    def __init__(self, stage: Stage) -> None:
        self.target = f"{FLOODING} sockets"
        self._stage = stage
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        self._tasks = [asyncio.create_task(self._flood()) for _ in range(FLOODING)]

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _flood(self) -> None:
        while True:
            person = self._stage.dice.choice(self._stage.workload.people)
            entrance = self._stage.dice.choice(self._stage.system.entrances)
            with suppress(OSError, TimeoutError), socket.socket() as one:
                await asyncio.to_thread(_connect, one, person, entrance)
                one.setblocking(False)
                for _ in range(PIECES):
                    await asyncio.get_running_loop().sock_sendall(one, EMPTY_PING * PIECE)
                    await asyncio.sleep(PIECE_SECONDS)
            await asyncio.sleep(PIECE_SECONDS)


class Duplicates:
    """The same messages through all instances at the same moment."""

    instances: tuple[str, ...] = ()

    def __init__(self, stage: Stage) -> None:
        self._visitors = stage.workload.visitors[: len(stage.workload.people)]
        self._people = stage.workload.people
        self.target = f"{len(self._visitors)} people"
        self._dice = stage.dice

    async def begin(self) -> None:
        for number in range(4):
            await asyncio.gather(
                *(
                    visitor.say_everywhere(
                        self._dice.choice([one for one in self._people if one != visitor.person]),
                        f"to everywhere {number}",
                    )
                    for visitor in self._visitors
                )
            )

    async def end(self) -> None:
        pass


def _connect(one: socket.socket, person: Person, entrance: Entrance) -> None:
    """Make `one` a WebSocket with next to no room for what comes."""
    address = urlsplit(entrance.direct)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    one.settimeout(3)
    one.connect((address.hostname, address.port))
    one.sendall(UPGRADE.format(host=address.netloc, token=person.token).encode())
