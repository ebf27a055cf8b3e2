"""The broker between processes: RabbitMQ, through aio-pika.

One durable direct exchange; one exclusive queue an instance, named anew by the broker for every
connection, so that a queue left over from a lost one can be in nobody's way. The connection is a
plain one that is made again here, not a robust one: what has to happen between "connected" and
"restored" is then in one place, and bindings are made concurrently.
"""

import asyncio
from collections.abc import Collection
from contextlib import suppress

import aio_pika
from aio_pika.abc import (
    AbstractChannel,
    AbstractExchange,
    AbstractIncomingMessage,
    AbstractQueue,
    DeliveryMode,
)
from aiormq.exceptions import AMQPError

from chat_service.broker import BrokerDown, Listener
from shared.logs import get_logger

log = get_logger("rabbitmq")

EXCHANGE = "chat.events"
HEARTBEAT_SECONDS = 10
TIMEOUT_SECONDS = 5.0
RETRY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)

_FAILURES = (AMQPError, ConnectionError, OSError, TimeoutError, RuntimeError)
"""What aio-pika raises when the connection is not there, or goes while it is used."""


class _Session:
    """What one connection has: its queue, and a channel for each kind of publishing."""

    def __init__(
        self,
        queue: AbstractQueue,
        exchange: AbstractExchange,
        confirmed: AbstractExchange,
        unconfirmed: AbstractExchange,
    ) -> None:
        self.queue = queue
        self.exchange = exchange
        self.confirmed = confirmed
        self.unconfirmed = unconfirmed


class RabbitBroker:
    """A `Broker` on RabbitMQ. `queue_bytes` bounds what waits here; the oldest goes first."""

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
                await self._connect_and_stay(listener)
                attempt = 0
            except _FAILURES as error:
                if attempt % 10 == 0:
                    log.warning("RabbitMQ is away", reason=str(error) or type(error).__name__)
            if self._session is not None:
                self._session = None
                attempt = 0
                listener.interrupted()
            await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
            attempt += 1

    async def bind(self, key: str) -> None:
        self._keys.add(key)
        session = self._session
        if session is not None:
            # A failure here is the connection's: the next one binds all keys before it is restored.
            with suppress(*_FAILURES):
                await session.queue.bind(session.exchange, key, timeout=TIMEOUT_SECONDS)

    async def unbind(self, key: str) -> None:
        self._keys.discard(key)
        session = self._session
        if session is not None:
            with suppress(*_FAILURES):
                await session.queue.unbind(session.exchange, key, timeout=TIMEOUT_SECONDS)

    async def publish(self, keys: Collection[str], body: bytes, *, confirm: bool) -> None:
        session = self._session
        if session is None:
            raise BrokerDown("not connected")
        first, *others = keys
        message = aio_pika.Message(
            body,
            delivery_mode=DeliveryMode.NOT_PERSISTENT,
            headers={"CC": others} if others else None,  # type: ignore[dict-item]
        )
        exchange = session.confirmed if confirm else session.unconfirmed
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await exchange.publish(message, first, mandatory=False)
        except _FAILURES as error:
            raise BrokerDown(str(error) or type(error).__name__) from error

    async def _connect_and_stay(self, listener: Listener) -> None:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            connection = await aio_pika.connect(
                self._url,
                heartbeat=HEARTBEAT_SECONDS,
                client_properties={"connection_name": self._name},
            )
        async with connection:
            lost = asyncio.get_running_loop().create_future()

            def on_loss(*_: object) -> None:
                if not lost.done():
                    lost.set_result(None)

            connection.close_callbacks.add(on_loss)
            async with asyncio.timeout(4 * TIMEOUT_SECONDS):
                receiving = await connection.channel(publisher_confirms=False)
                confirmed = await connection.channel(publisher_confirms=True)
                unconfirmed = await connection.channel(publisher_confirms=False)
                for channel in (receiving, confirmed, unconfirmed):
                    channel.close_callbacks.add(on_loss)
                session = _Session(
                    await self._queue(receiving),
                    await _exchange(receiving),
                    await _exchange(confirmed),
                    await _exchange(unconfirmed),
                )
                await self._bind_all(session)

            def receive(message: AbstractIncomingMessage) -> None:
                listener.received(message.body)

            await session.queue.consume(receive, no_ack=True, timeout=TIMEOUT_SECONDS)  # type: ignore[arg-type]
            self._session = session
            log.info("RabbitMQ is ready", bindings=len(self._keys))
            listener.restored()
            await lost

    async def _queue(self, channel: AbstractChannel) -> AbstractQueue:
        return await channel.declare_queue(
            "",
            exclusive=True,
            auto_delete=True,
            arguments={"x-max-length-bytes": self._queue_bytes, "x-overflow": "drop-head"},
        )

    async def _bind_all(self, session: _Session) -> None:
        """Bind all keys, those that come meanwhile included."""
        bound: set[str] = set()
        while missing := self._keys - bound:
            await asyncio.gather(*(session.queue.bind(session.exchange, key) for key in missing))
            bound |= missing


async def _exchange(channel: AbstractChannel) -> AbstractExchange:
    return await channel.declare_exchange(
        EXCHANGE, aio_pika.ExchangeType.DIRECT, durable=True, auto_delete=False
    )
