"""The broker within one process: for one chat instance alone."""

import asyncio
from collections.abc import Collection

from chat_service.fanout.broker import BrokerDown, Listener

_exchanges: dict[str, "list[MemoryBroker]"] = {}


class MemoryBroker:
    """A `Broker` for instances in one process: those with the same URL receive from each other.

    A message is received in the next turn of the event loop, so none pile up and none are dropped.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: set[str] = set()
        self._listener: Listener | None = None
        self._reset = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self._listener is not None

    async def run(self, listener: Listener) -> None:
        peers = _exchanges.setdefault(self._url, [])
        while True:
            self._reset.clear()
            self._listener = listener
            peers.append(self)
            try:
                listener.restored()
                await self._reset.wait()
            finally:
                peers.remove(self)
                self._listener = None
                listener.interrupted()

    def reset(self) -> None:
        self._reset.set()

    async def bind(self, key: str) -> None:
        self._keys.add(key)

    async def unbind(self, key: str) -> None:
        self._keys.discard(key)

    async def publish(self, keys: Collection[str], body: bytes, *, confirm: bool) -> None:
        if self._listener is None:
            raise BrokerDown("the broker is not running")
        loop = asyncio.get_running_loop()
        for peer in _exchanges[self._url]:
            if not peer._keys.isdisjoint(keys):
                loop.call_soon(peer._receive, body)

    def _receive(self, body: bytes) -> None:
        if self._listener is not None:
            self._listener.received(body)
