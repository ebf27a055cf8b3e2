"""A connection to RabbitMQ that is made again whenever it is lost."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import aio_pika
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import AMQPError

from shared.observability.logs import get_logger

log = get_logger("amqp")

HEARTBEAT_SECONDS = 10
TIMEOUT_SECONDS = 5.0
RETRY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)

FAILURES = (
    AMQPError,
    ConnectionError,
    OSError,
    TimeoutError,
    RuntimeError,
    StopAsyncIteration,  # the peer went away during the handshake
)
"""What aio-pika raises when the connection is not there, or goes while it is used."""


@contextmanager
def connection_in_use() -> Iterator[None]:
    """Turn the end of a connection into one of `FAILURES`.

    aiormq cancels the futures of those who wait for a connection that ends. Left alone, that ends
    their tasks, as if somebody had wanted them to end.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("the connection ended while it was used") from None


async def stay_connected(
    url: str, name: str, use: Callable[[AbstractConnection], Awaitable[None]]
) -> None:
    """Call `use` with a new connection, again and again, until cancelled.

    `use` is cancelled when its connection is lost. It may raise one of `FAILURES`, or return: then
    there is another connection, too.
    """
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
            log.warning("RabbitMQ went away", connection=name)
        except FAILURES as error:
            if attempt % 10 == 0:
                reason = str(error) or type(error).__name__
                log.warning("RabbitMQ is away", connection=name, reason=reason)
            attempt += 1
        await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])


async def _while_open(
    connection: AbstractConnection, use: Callable[[AbstractConnection], Awaitable[None]]
) -> None:
    user = asyncio.ensure_future(use(connection))

    def lost(*_: object) -> None:
        user.cancel()

    connection.close_callbacks.add(lost)
    try:
        await asyncio.wait([user])
    finally:
        connection.close_callbacks.remove(lost)
        user.cancel()
        await asyncio.gather(user, return_exceptions=True)
    if not user.cancelled():
        user.result()


async def _close(connection: AbstractConnection) -> None:
    """Close a connection whose peer may have fallen silent and then does not answer this either."""
    with suppress(*FAILURES), connection_in_use():
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await connection.close()
