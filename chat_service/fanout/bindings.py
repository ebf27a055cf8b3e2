"""Which shards an instance has bound: those of the employees who are connected to it."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from zlib import crc32

from chat_service.fanout.broker import Broker

LINGER_SECONDS = 30.0
"""A shard stays bound this long after its last employee left: reconnects cost no bindings."""


def shard(employee: str, shards: int) -> int:
    """The routing shard of an employee, 0 to `shards` - 1."""
    return crc32(employee.encode()) % shards


def keys_of(employees: Iterable[str], shards: int) -> list[str]:
    """The routing keys of the shards of `employees`, each once."""
    return [_key(number) for number in {shard(employee, shards) for employee in employees}]


def _key(number: int) -> str:
    return f"shard.{number}"


class Bindings:
    """Binds the shards of attached employees.

    A shard is bound from its first `attach` until `LINGER_SECONDS` after its last `detach`.
    """

    def __init__(self, broker: Broker, shards: int) -> None:
        self._broker = broker
        self._shards = shards
        self._attached: Counter[int] = Counter()
        self._bound: dict[int, asyncio.Task[None]] = {}
        self._lingering: dict[int, asyncio.TimerHandle] = {}
        self._unbinding: set[asyncio.Task[None]] = set()

    def attach(self, employee: str) -> asyncio.Future[None]:
        """Bind this employee's shard. Every call is paired with one of `detach`, even where the
        future is cancelled.

        The future is done once the shard is bound; without a broker at once, since the broker makes
        all bindings before it is restored.
        """
        number = shard(employee, self._shards)
        self._attached[number] += 1
        lingering = self._lingering.pop(number, None)
        if lingering is not None:
            lingering.cancel()
        binding = self._bound.get(number)
        if binding is None:
            binding = asyncio.create_task(self._broker.bind(_key(number)))
            self._bound[number] = binding
        return asyncio.shield(binding)

    def detach(self, employee: str) -> None:
        """Take back one `attach`."""
        number = shard(employee, self._shards)
        self._attached[number] -= 1
        if self._attached[number] == 0:
            del self._attached[number]
            loop = asyncio.get_running_loop()
            self._lingering[number] = loop.call_later(LINGER_SECONDS, self._unbind, number)

    @property
    def attached(self) -> list[str]:
        """The keys of shards that stay bound for a while: somebody is attached to each."""
        return [_key(number) for number in self._attached]

    async def close(self) -> None:
        """End what is under way. What is bound stays bound."""
        for timer in self._lingering.values():
            timer.cancel()
        tasks = [*self._bound.values(), *self._unbinding]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _unbind(self, number: int) -> None:
        self._lingering.pop(number, None)
        if number not in self._attached and self._bound.pop(number, None) is not None:
            task = asyncio.create_task(self._unbind_unless_taken(number))
            self._unbinding.add(task)
            task.add_done_callback(self._unbinding.discard)

    async def _unbind_unless_taken(self, number: int) -> None:
        await self._broker.unbind(_key(number))
        if number in self._attached:  # somebody came while it was under way
            await self._broker.bind(_key(number))
