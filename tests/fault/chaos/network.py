"""The network between all processes: every server is reached through a front of ours.

A front tells by the operating system's table of sockets who connects, so each pair of a process and
a server has a link of its own, although MongoDB's members and drivers know one address only for
each member: the front's, by which it is named in the replica set's configuration.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from tests.support.relay import Link

SOCKETS = Path("/proc/net/tcp")
CLIENTS = "clients"
"""The name of everybody who is no process of the system."""

Pid = Callable[[], int | None]


class Network:
    """Links by (who connects, name of the server)."""

    def __init__(self) -> None:
        self._links: dict[tuple[str, str], Link] = {}
        self._owners: dict[str, Pid] = {}
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def know(self, name: str, pid: Pid) -> None:
        """Connections of the process that `pid` tells are `name`'s."""
        self._owners[name] = pid

    def link(self, source: str, server: str) -> Link:
        return self._links.setdefault((source, server), Link())

    async def front(self, server: str, port: int) -> int:
        """Put a front before `server`, which listens on `port`; returns the front's port."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            source = self._source(writer.get_extra_info("peername")[1])
            await self.link(source, server).carry(reader, writer, "127.0.0.1", port)

        listening = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=1024)
        self._servers.append(listening)
        number: int = listening.sockets[0].getsockname()[1]
        return number

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for link in self._links.values():
            link.thaw()
            link.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _source(self, port: int) -> str:
        """Whose end of a connection is at `port`."""
        inode = _inode_of(port)
        if inode is not None:
            for name, pid in self._owners.items():
                number = pid()
                if number is not None and _has_socket(number, inode):
                    return name
        return CLIENTS


def _inode_of(port: int) -> str | None:
    wanted = f"0100007F:{port:04X}"
    for line in SOCKETS.read_text().splitlines()[1:]:
        # Columns as in proc(5): sl local_address rem_address st … inode (the tenth).
        fields = line.split()
        if fields[1] == wanted and fields[9] != "0":
            return fields[9]
    return None


def _has_socket(pid: int, inode: str) -> bool:
    wanted = f"socket:[{inode}]"
    folder = f"/proc/{pid}/fd"
    try:
        return any(_read(f"{folder}/{descriptor}") == wanted for descriptor in os.listdir(folder))
    except OSError:
        return False


def _read(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
