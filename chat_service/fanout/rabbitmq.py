"""The broker between processes: RabbitMQ, through aio-pika.

One durable direct exchange; one exclusive queue an instance, named anew by the broker for every
connection, so that a queue left over from a lost one can be in nobody's way. What overflows it goes
to a second queue, of one message: that is how an instance learns that it was too slow. The
connection is a plain one that is made again here, not a robust one: what has to happen between
"connected" and "restored" is then in one place, and bindings are made concurrently. Publishing and
consuming go to the channels below aio-pika's: above, each message costs two tasks and two objects.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange, AbstractQueue
from aiormq import spec
from aiormq.abc import AbstractChannel as PlainChannel
from aiormq.abc import DeliveredMessage, FieldTable

from chat_service.fanout.broker import BrokerDown, Listener
from shared.amqp import FAILURES, connection_in_use
from shared.observability.logs import get_logger

log = get_logger("rabbitmq")

EXCHANGE = "chat.events"
NOT_PERSISTENT = 1
HEARTBEAT_SECONDS = 10
TIMEOUT_SECONDS = 5.0
RETRY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)


class _Session:
    """What one connection has: its queue, and a channel for each kind of publishing."""

    def __init__(
        self,
        queue: AbstractQueue,
        exchange: AbstractExchange,
        confirmed: PlainChannel,
        unconfirmed: PlainChannel,
        lost: asyncio.Event,
    ) -> None:
        self.queue = queue
        self.exchange = exchange
        self.confirmed = confirmed
        self.unconfirmed = unconfirmed
        self.lost = lost


class RabbitBroker:
    """A `Broker` on RabbitMQ. `queue_bytes` bounds what waits there; the oldest goes first."""

    def __init__(self, url: str, name: str, queue_bytes: int) -> None:
        self._url = url
        self._name = name
        self._queue_bytes = queue_bytes
        self._keys: set[str] = set()
        self._session: _Session | None = None

    @property
    def connected(self) -> bool:
        return self._session is not None

    async def run(self, listener: Listener) -> None:
        attempt = 0
        while True:
            try:
                with connection_in_use():
                    await self._connect_and_stay(listener)
                attempt = 0
            except FAILURES as error:
                if attempt % 10 == 0:
                    log.warning("RabbitMQ is away", reason=str(error) or type(error).__name__)
                attempt += 1
            await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])

    def reset(self) -> None:
        if self._session is not None:
            self._session.lost.set()

    async def bind(self, key: str) -> None:
        self._keys.add(key)
        session = self._session
        if session is not None:
            try:
                with connection_in_use():
                    await session.queue.bind(session.exchange, key, timeout=TIMEOUT_SECONDS)
            except FAILURES:  # the next connection binds all keys before it is restored
                session.lost.set()

    async def unbind(self, key: str) -> None:
        self._keys.discard(key)
        session = self._session
        if session is not None:
            try:
                with connection_in_use():
                    await session.queue.unbind(session.exchange, key, timeout=TIMEOUT_SECONDS)
            except FAILURES:
                session.lost.set()

    async def publish(self, keys: Collection[str], body: bytes, *, confirm: bool) -> None:
        session = self._session
        if session is None:
            raise BrokerDown("not connected")
        first, *others = keys
        # BCC is routed as CC is, and taken off: nobody who gets the message has to decode it.
        headers: FieldTable | None = {"BCC": list(others)} if others else None
        properties = spec.Basic.Properties(delivery_mode=NOT_PERSISTENT, headers=headers)
        channel = session.confirmed if confirm else session.unconfirmed
        try:
            with connection_in_use():
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    await channel.basic_publish(
                        body, exchange=EXCHANGE, routing_key=first, properties=properties
                    )
        except FAILURES as error:
            raise BrokerDown(str(error) or type(error).__name__) from error

    async def _connect_and_stay(self, listener: Listener) -> None:
        """Returns when a connection that was there is lost; raises where it could not be made."""
        lost = asyncio.Event()
        async with self._connection() as connection:
            connection.close_callbacks.add(lambda *_: lost.set())
            async with asyncio.timeout(4 * TIMEOUT_SECONDS):
                session = await self._open(connection, lost, listener)
                await self._bind_all(session)
            # No await between the last look at the keys and this: `bind` adds those that follow.
            self._session = session
            log.info("RabbitMQ is ready", bindings=len(self._keys))
            try:
                listener.restored()
                await lost.wait()
            finally:
                self._session = None
                listener.interrupted()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AbstractConnection]:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            connection = await aio_pika.connect(
                self._url,
                heartbeat=HEARTBEAT_SECONDS,
                client_properties={"connection_name": self._name},
            )
        try:
            yield connection
        finally:
            # A connection that is given up for being deaf does not answer its closing either.
            with suppress(*FAILURES), connection_in_use():
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    await connection.close()

    async def _open(
        self, connection: AbstractConnection, lost: asyncio.Event, listener: Listener
    ) -> _Session:
        receiving = await connection.channel(publisher_confirms=False)
        confirmed = await connection.channel(publisher_confirms=True)
        unconfirmed = await connection.channel(publisher_confirms=False)
        for channel in (receiving, confirmed, unconfirmed):
            channel.close_callbacks.add(lambda *_: lost.set())
        consuming = await receiving.get_underlay_channel()
        # The broker cancels a consumer whose queue is gone.
        consuming.on_consumer_cancel_callbacks.add(lambda _: lost.set())

        overflow = await receiving.declare_queue(
            "", exclusive=True, auto_delete=True, arguments={"x-max-length": 1}
        )
        queue = await receiving.declare_queue(
            "",
            exclusive=True,
            auto_delete=True,
            arguments={
                "x-max-length-bytes": self._queue_bytes,
                "x-overflow": "drop-head",
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": overflow.name,
            },
        )

        async def receive(message: DeliveredMessage) -> None:
            listener.received(message.body)

        async def drop(_: DeliveredMessage) -> None:
            listener.dropped()

        exchange = await receiving.declare_exchange(
            EXCHANGE, aio_pika.ExchangeType.DIRECT, durable=True, auto_delete=False
        )
        await consuming.basic_consume(overflow.name, drop, no_ack=True)
        await consuming.basic_consume(queue.name, receive, no_ack=True)
        return _Session(
            queue,
            exchange,
            await confirmed.get_underlay_channel(),
            await unconfirmed.get_underlay_channel(),
            lost,
        )

    async def _bind_all(self, session: _Session) -> None:
        """Bind all keys, those that come meanwhile included; unbind those that go meanwhile."""
        queue, exchange = session.queue, session.exchange
        bound: set[str] = set()
        while bound != self._keys:
            new, old = self._keys - bound, bound - self._keys
            await asyncio.gather(
                *(queue.bind(exchange, key) for key in new),
                *(queue.unbind(exchange, key) for key in old),
            )
            bound = (bound | new) - old
