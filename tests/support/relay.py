"""A TCP relay in front of a server, to hurt one path to it while everybody else's stays whole."""

import asyncio
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit, urlunsplit

READ_BYTES = 65_536


class Link:
    """A path from somebody to a server: the connections on it, and what is wrong with it.

    `delay` is how long bytes take each way, in seconds; `rate` how many pass in a second each way,
    None for as many as can.
    """

    def __init__(self) -> None:
        self.delay = 0.0
        self.rate: float | None = None
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._there = asyncio.Event()
        self._back = asyncio.Event()
        self.thaw()

    @property
    def connections(self) -> int:
        return len(self._writers) // 2

    def cut(self) -> None:
        """Close every connection, and each new one at once, until `mend`."""
        self._is_cut = True
        self.drop()

    def mend(self) -> None:
        self._is_cut = False

    def drop(self) -> None:
        """Close every connection, as a middle box that forgot them would."""
        for writer in self._writers:
            writer.transport.abort()

    def freeze(self, *, there: bool = True, back: bool = True) -> None:
        """Keep connections open, accept new ones, and pass nothing on, to the server or back from
        it or both, until `thaw`. What was held is then passed on, as TCP would send it again."""
        if there:
            self._there.clear()
        if back:
            self._back.clear()

    def thaw(self) -> None:
        self._there.set()
        self._back.set()

    async def carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        host: str | None,
        port: int | None,
    ) -> None:
        """Carry an accepted connection to the server. Returns when it is over."""
        if self._is_cut:
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            there, here = await asyncio.open_connection(host, port)
        except OSError:
            self._writers.discard(writer)
            writer.transport.abort()
            return
        pair = {writer, here}
        self._writers |= pair
        try:
            if writer.is_closing():  # cut meanwhile
                return
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, here, self._there))
                group.create_task(self._pass(there, writer, self._back))
        finally:
            self._writers -= pair
            for one in pair:
                one.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event
    ) -> None:
        try:
            while data := await reader.read(READ_BYTES):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await flowing.wait()
                if writer.is_closing():
                    break
                writer.write(data)
                await writer.drain()
                if self.rate:
                    await asyncio.sleep(len(data) / self.rate)
        except OSError:
            writer.transport.abort()
            return
        # What was written is still sent; then both ways end.
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


class Relay:
    """Passes bytes to the server of `target`, a URL; `url` is the same one through the relay."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._link = Link()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.thaw()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        credentials, _, _ = self._target.netloc.rpartition("@")
        netloc = f"{credentials}@127.0.0.1:{self._port}"
        return urlunsplit(self._target._replace(netloc=netloc))

    @property
    def connections(self) -> int:
        return self._link.connections

    def cut(self) -> None:
        self._link.cut()

    def mend(self) -> None:
        self._link.mend()

    def freeze(self) -> None:
        self._link.freeze()

    def thaw(self) -> None:
        self._link.thaw()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await self._link.carry(reader, writer, self._target.hostname, self._target.port)
