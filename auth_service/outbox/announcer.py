"""Tells the other services what the database has already: revoked sessions, deleted employees.

The database is the outbox. What is to be told is marked there with the change itself, and the mark
goes when RabbitMQ has confirmed the event. So a replica that crashes, or a broker that is away,
only delays it: whichever replica looks next tells it. Being told twice is harmless. Without a
broker nothing is told; the others ask for revoked sessions anyway.
"""

import asyncio
from collections.abc import Awaitable, Callable

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange, DeliveryMode
from aiormq.exceptions import DeliveryError

from auth_service.outbox.deletions import Deletions
from auth_service.sessions import Sessions
from shared.amqp import TIMEOUT_SECONDS, stay_connected
from shared.auth_events import EMPLOYEE_DELETED, EXCHANGE, SESSION_REVOKED, encode
from shared.errors import ServiceError
from shared.observability.logs import get_logger

log = get_logger("announcer")

LOOK_SECONDS = 5.0
"""How long what another replica left behind may wait."""
AT_ONCE = 500


class Announcer:
    """Publishes to the exchange `auth.events`; `url` is RabbitMQ's, None where there is none."""

    def __init__(self, url: str | None, sessions: Sessions, departures: Deletions) -> None:
        self._url = url
        self._sessions = sessions
        self._departures = departures
        self._news = asyncio.Event()

    def wake(self) -> None:
        """There may be something to tell."""
        self._news.set()

    async def run(self) -> None:
        """Tell what there is until cancelled."""
        if self._url is None:
            log.warning(
                "no broker: others learn of revoked sessions when they ask, not when it happens"
            )
            await self._again_and_again(self._tell_nobody)
        else:
            await stay_connected(self._url, "auth", self._tell_everybody)

    async def _tell_everybody(self, connection: AbstractConnection) -> None:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            exchange = await channel.declare_exchange(
                EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True
            )

        async def tell() -> None:
            await self._tell_of_sessions(exchange)
            await self._tell_of_departures(exchange)

        await self._again_and_again(tell)

    async def _tell_nobody(self) -> None:
        for gone in await self._departures.unannounced(AT_ONCE):
            await self._departures.announced(gone)

    async def _again_and_again(self, tell: Callable[[], Awaitable[None]]) -> None:
        while True:
            self._news.clear()
            try:
                await tell()
            except ServiceError as error:
                log.debug("the database cannot say what to tell", reason=error.detail)
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _tell_of_sessions(self, exchange: AbstractExchange) -> None:
        while sessions := await self._sessions.unannounced(AT_ONCE):
            await asyncio.gather(
                *(
                    _publish(exchange, SESSION_REVOKED, encode(session), mandatory=False)
                    for session in sessions
                )
            )
            await self._sessions.announced(sessions)

    async def _tell_of_departures(self, exchange: AbstractExchange) -> None:
        """Somebody has to hear of these: an event that no queue takes is sent again."""
        for gone in await self._departures.unannounced(AT_ONCE):
            try:
                await _publish(exchange, EMPLOYEE_DELETED, encode(gone), mandatory=True)
            except DeliveryError:
                log.warning("nobody takes the news of a deleted employee", employee=gone.employee)
                return
            await self._departures.announced(gone)


async def _publish(exchange: AbstractExchange, key: str, body: bytes, *, mandatory: bool) -> None:
    """Returns when the broker has it. Raises one of `shared.amqp.FAILURES`."""
    message = aio_pika.Message(
        body, content_type="application/json", delivery_mode=DeliveryMode.PERSISTENT
    )
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await exchange.publish(message, key, mandatory=mandatory)
