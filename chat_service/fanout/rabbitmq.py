"""The broker between processes: RabbitMQ, through aio-pika.

There is one durable direct exchange, and an exclusive queue for each connection. The broker names
that queue anew each time, so one left over from a lost connection is in nobody's way. Messages that
overflow it go to a second queue, of one message: by that the instance learns that it was too slow.

The connection is a plain one that is made anew when it is lost, not aio-pika's robust one. What has
to happen between "connected" and "restored" is then in one place, and bindings are made
concurrently. Channels are used below aio-pika, which spends two tasks and two objects on a message.
"""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from aio_pika.abc import AbstractConnection
from aiormq import spec
from aiormq.abc import AbstractChannel, DeliveredMessage, FieldTable
from msgspec import Struct

from chat_service.fanout.broker import BrokerDown, Listener
from shared.amqp import FAILURES, TIMEOUT_SECONDS, connection_in_use, stay_connected
from shared.observability.logs import get_logger

log = get_logger("rabbitmq")

EXCHANGE = "chat.events"
NOT_PERSISTENT = 1


class _Link(Struct, frozen=True):
    """What one connection has: its queue, and a channel for each use. `lost` is set when one of
    them is gone, or the connection is to be given up."""

    queue: str
    receiving: AbstractChannel
    confirmed: AbstractChannel
    unconfirmed: AbstractChannel
    lost: asyncio.Event

    async def bind(self, key: str, timeout: float | None = None) -> None:
        await self.receiving.queue_bind(self.queue, EXCHANGE, key, timeout=timeout)

    async def unbind(self, key: str, timeout: float | None = None) -> None:
        await self.receiving.queue_unbind(self.queue, EXCHANGE, key, timeout=timeout)


class RabbitBroker:
    """A `Broker` on RabbitMQ. `name` is what operators see of the connection; `queue_bytes` bounds
    what waits for this instance, the oldest is dropped first."""

    def __init__(self, url: str, name: str, queue_bytes: int) -> None:
        self._url = url
        self._name = name
        self._queue_bytes = queue_bytes
        self._keys: set[str] = set()
        self._link: _Link | None = None

    @property
    def connected(self) -> bool:
        return self._link is not None

    async def run(self, listener: Listener) -> None:
        async def use(connection: AbstractConnection) -> None:
            await self._use(connection, listener)

        await stay_connected(self._url, self._name, use)

    def reset(self) -> None:
        if self._link is not None:
            self._link.lost.set()

    async def bind(self, key: str) -> None:
        self._keys.add(key)
        if self._link is not None:
            with _lost_on_failure(self._link):
                await self._link.bind(key, TIMEOUT_SECONDS)

    async def unbind(self, key: str) -> None:
        self._keys.discard(key)
        if self._link is not None:
            with _lost_on_failure(self._link):
                await self._link.unbind(key, TIMEOUT_SECONDS)

    async def publish(self, keys: Collection[str], body: bytes, *, confirm: bool) -> None:
        if self._link is None:
            raise BrokerDown("not connected")
        first, *others = keys
        # BCC is routed as CC is, and taken off: nobody who gets the message has to decode it.
        headers: FieldTable | None = {"BCC": list(others)} if others else None
        properties = spec.Basic.Properties(delivery_mode=NOT_PERSISTENT, headers=headers)
        channel = self._link.confirmed if confirm else self._link.unconfirmed
        try:
            with connection_in_use():
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    await channel.basic_publish(
                        body, exchange=EXCHANGE, routing_key=first, properties=properties
                    )
        except FAILURES as error:
            raise BrokerDown(str(error) or type(error).__name__) from error

    async def _use(self, connection: AbstractConnection, listener: Listener) -> None:
        """Be connected until the link is lost. Raises one of `FAILURES` where it cannot be made."""
        async with asyncio.timeout(4 * TIMEOUT_SECONDS):
            link = await self._open(connection, listener)
            await self._bind_all(link)
        # No await between the last look at the keys and this: `bind` adds those that follow.
        self._link = link
        log.info("RabbitMQ is ready", bindings=len(self._keys))
        try:
            listener.restored()
            await link.lost.wait()
        finally:
            self._link = None
            listener.interrupted()

    async def _open(self, connection: AbstractConnection, listener: Listener) -> _Link:
        """Make the channels, the exchange and both queues, and receive from these."""
        lost = asyncio.Event()

        async def channel(*, confirms: bool) -> AbstractChannel:
            channel = await connection.channel(publisher_confirms=confirms)
            channel.close_callbacks.add(lambda *_: lost.set())
            return await channel.get_underlay_channel()

        async def receive(message: DeliveredMessage) -> None:
            listener.received(message.body)

        async def drop(_: DeliveredMessage) -> None:
            listener.dropped()

        receiving = await channel(confirms=False)
        # The broker cancels a consumer whose queue is gone.
        receiving.on_consumer_cancel_callbacks.add(lambda _: lost.set())
        await receiving.exchange_declare(EXCHANGE, exchange_type="direct", durable=True)
        overflow = await _declare_queue(receiving, {"x-max-length": 1})
        queue = await _declare_queue(
            receiving,
            {
                "x-max-length-bytes": self._queue_bytes,
                "x-overflow": "drop-head",
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": overflow,
            },
        )
        await receiving.basic_consume(overflow, drop, no_ack=True)
        await receiving.basic_consume(queue, receive, no_ack=True)
        confirmed, unconfirmed = await channel(confirms=True), await channel(confirms=False)
        return _Link(queue, receiving, confirmed, unconfirmed, lost)

    async def _bind_all(self, link: _Link) -> None:
        """Bind all keys, those that come meanwhile included; unbind those that go meanwhile."""
        bound: set[str] = set()
        while bound != self._keys:
            new, old = self._keys - bound, bound - self._keys
            await asyncio.gather(
                *(link.bind(key) for key in new), *(link.unbind(key) for key in old)
            )
            bound = (bound | new) - old


async def _declare_queue(channel: AbstractChannel, arguments: FieldTable) -> str:
    declared = await channel.queue_declare(exclusive=True, auto_delete=True, arguments=arguments)
    assert declared.queue is not None
    return declared.queue


@contextmanager
def _lost_on_failure(link: _Link) -> Iterator[None]:
    """Give the link up where its bindings cannot be changed: the next one has all keys from the
    start."""
    try:
        with connection_in_use():
            yield
    except FAILURES:
        link.lost.set()
