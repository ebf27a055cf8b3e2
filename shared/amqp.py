"""RabbitMQ in our own terms: confirmed publishing, hints for one process, work shared by several.

`publish`, `subscribe` and `work_off` run until cancelled, and connect again whenever the connection
is lost. Exchanges are durable topic exchanges. Each of the three declares its exchange, so either
side may start first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import aio_pika
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
    AbstractQueue,
    DeliveryMode,
)
from aiormq.exceptions import AMQPError, DeliveryError

from shared.observability.logs import get_logger
from shared.tasks import back_off

log = get_logger("amqp")

HEARTBEAT_SECONDS = 10
TIMEOUT_SECONDS = 5.0
BIND_SECONDS = 10.0
"""How often a queue is bound again, see `_stay_bound`."""

FAILURES = (
    AMQPError,
    ConnectionError,
    OSError,
    TimeoutError,
    RuntimeError,
    StopAsyncIteration,  # the peer went away during the handshake
)
"""What aio-pika raises when there is no connection, or when it is lost while in use."""

Undelivered = DeliveryError
"""The broker refused a message, or a mandatory one matched no queue. One of `FAILURES`."""


class Publisher:
    """Publishes to one exchange over one connection."""

    def __init__(self, exchange: AbstractExchange) -> None:
        self._exchange = exchange

    async def publish(self, key: str, body: bytes, *, mandatory: bool) -> None:
        """Publish a persistent JSON message and return once the broker has confirmed it.

        Raises `Undelivered` if the broker refuses it, or if it is `mandatory` and no queue is bound
        to `key`; another of `FAILURES` if there is no confirmation within `TIMEOUT_SECONDS`.
        """
        message = aio_pika.Message(
            body, content_type="application/json", delivery_mode=DeliveryMode.PERSISTENT
        )
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await self._exchange.publish(message, key, mandatory=mandatory)


async def publish(
    url: str, name: str, exchange: str, use: Callable[[Publisher], Awaitable[None]]
) -> NoReturn:
    """Call `use` with a publisher for `exchange`, with a new one after each loss of the connection.

    `use` is cancelled when its connection is lost. It may raise one of `FAILURES`, or return: then
    it is called again with another connection.
    """

    async def run(connection: AbstractConnection) -> None:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            publisher = Publisher(await _declare(channel, exchange))
        await use(publisher)

    await stay_connected(url, name, run)


async def subscribe(
    url: str,
    name: str,
    exchange: str,
    key: str,
    *,
    most: int,
    received: Callable[[bytes], None],
    subscribed: Callable[[bool], None],
) -> NoReturn:
    """Call `received` with each message that is published to `exchange` under `key`.

    Messages are hints: they come through a queue of this connection alone, which holds at most
    `most` and drops the oldest. Whatever is published while there is no such queue is lost.
    `subscribed(True)` says that messages arrive from now on, `subscribed(False)` that they may not.
    """

    async def receive(message: AbstractIncomingMessage) -> None:
        received(message.body)

    async def run(connection: AbstractConnection) -> None:
        async with asyncio.timeout(4 * TIMEOUT_SECONDS):
            channel, ended = await _channel(connection)
            queue = await channel.declare_queue(
                "",
                exclusive=True,
                auto_delete=True,
                arguments={"x-max-length": most, "x-overflow": "drop-head"},
            )
            await _bind(channel, queue, exchange, key)
            await queue.consume(receive, no_ack=True)
        subscribed(True)
        try:
            await _stay_bound(channel, queue, exchange, key, ended)
        finally:
            subscribed(False)

    await stay_connected(url, name, run)


async def work_off(
    url: str,
    name: str,
    exchange: str,
    key: str,
    *,
    queue: str,
    handle: Callable[[bytes], Awaitable[None]],
) -> NoReturn:
    """Handle the messages that are published to `exchange` under `key`, one after another.

    They wait in the durable `queue`, which several processes may share: each message goes to one of
    them, and is acked once `handle` has returned. If `handle` raises (which is logged), or is
    cancelled because the connection is lost, the message is delivered again.
    """

    async def run(connection: AbstractConnection) -> None:
        async with asyncio.timeout(4 * TIMEOUT_SECONDS):
            channel, ended = await _channel(connection)
            await channel.set_qos(prefetch_count=1)
            shared = await channel.declare_queue(queue, durable=True)
            await _bind(channel, shared, exchange, key)
        working = asyncio.ensure_future(_handle_all(shared, handle))
        working.add_done_callback(lambda _: ended.set())
        try:
            await _stay_bound(channel, shared, exchange, key, ended)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    await stay_connected(url, name, run)


@contextmanager
def connection_in_use() -> Iterator[None]:
    """Raise one of `FAILURES` when the connection that the block uses is lost.

    aiormq cancels the futures of those who wait for a connection that ends. Without this, their
    tasks would end as if somebody had cancelled them.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("the connection was lost while in use") from None


async def stay_connected(
    url: str, name: str, use: Callable[[AbstractConnection], Awaitable[None]]
) -> NoReturn:
    """Call `use` with a new connection each time the one before is lost, or `use` has ended."""
    attempt = 0
    while True:
        try:
            with connection_in_use():
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    connection = await aio_pika.connect(
                        url,
                        heartbeat=HEARTBEAT_SECONDS,
                        client_properties={"connection_name": name},
                    )
                try:
                    await _while_open(connection, use)
                finally:
                    await _close(connection)
            attempt = 0
            log.warning("lost the connection to RabbitMQ", connection=name)
        except FAILURES as error:
            if attempt % 10 == 0:
                reason = str(error) or type(error).__name__
                log.warning("cannot use RabbitMQ", connection=name, reason=reason)
            attempt += 1
        await back_off(attempt)


async def _while_open(
    connection: AbstractConnection, use: Callable[[AbstractConnection], Awaitable[None]]
) -> None:
    user = asyncio.ensure_future(use(connection))
    connection.close_callbacks.add(lambda *_: user.cancel())
    try:
        await asyncio.wait([user])
    finally:
        user.cancel()
        await asyncio.gather(user, return_exceptions=True)
    if not user.cancelled():
        user.result()


async def _close(connection: AbstractConnection) -> None:
    """Close a connection whose peer may have fallen silent, and then answers this neither."""
    with suppress(*FAILURES), connection_in_use():
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await connection.close()


async def _channel(connection: AbstractConnection) -> tuple[AbstractChannel, asyncio.Event]:
    """A channel for consuming, and an event for its end.

    The event is set when the channel has closed, or when the broker has cancelled its consumer:
    then the queue was deleted, or its member of the cluster is down.
    """
    channel = await connection.channel(publisher_confirms=False)
    ended = asyncio.Event()
    channel.close_callbacks.add(lambda *_: ended.set())
    consuming = await channel.get_underlay_channel()
    consuming.on_consumer_cancel_callbacks.add(lambda _: ended.set())
    return channel, ended


async def _declare(channel: AbstractChannel, exchange: str) -> AbstractExchange:
    return await channel.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC, durable=True)


async def _bind(channel: AbstractChannel, queue: AbstractQueue, exchange: str, key: str) -> None:
    await queue.bind(await _declare(channel, exchange), key)


async def _stay_bound(
    channel: AbstractChannel, queue: AbstractQueue, exchange: str, key: str, ended: asyncio.Event
) -> None:
    """Bind the queue again every `BIND_SECONDS`, until `ended`.

    An exchange that was deleted and declared again has lost its bindings, and nobody is told.
    """
    while not ended.is_set():
        try:
            async with asyncio.timeout(BIND_SECONDS):
                await ended.wait()
        except TimeoutError:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await _bind(channel, queue, exchange, key)


async def _handle_all(queue: AbstractQueue, handle: Callable[[bytes], Awaitable[None]]) -> None:
    async with queue.iterator() as messages:
        async for message in messages:
            try:
                await handle(message.body)
            except Exception:
                log.exception("could not handle a message; it will be delivered again")
                return
            await message.ack()
