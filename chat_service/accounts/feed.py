"""What the auth service tells: heard through RabbitMQ, and asked for where that can have failed.

Events come through a queue of this instance on the exchange `auth.events`. They are hints; the
truth is the auth service's list of revoked sessions. It is read before this instance is ready,
again whenever the queue was away, and every now and then: nothing can stay unheard for longer.

Deleted employees come through one durable queue of all instances: one of them sees to each, and the
event is gone from the queue when that is done. That queue is on one member of a cluster, and away
while that member is; so it has a connection of its own, and nobody is unready for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

import aiohttp
from aio_pika import ExchangeType
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractIncomingMessage,
    AbstractQueue,
)

from shared.amqp import TIMEOUT_SECONDS, stay_connected
from shared.auth_events import (
    EMPLOYEE_DELETED,
    EXCHANGE,
    MOST_REVOKED,
    REVOKED_SESSIONS,
    SESSION_REVOKED,
    DeletedEmployee,
    RevokedSession,
    deleted_employee,
    revoked_session,
    revoked_sessions,
)
from shared.observability.logs import Recurring, get_logger
from shared.tasks import together

log = get_logger("auth_feed")

ASK_SECONDS = 30.0
ASK_SECONDS_DEAF = 2.0
ASK_SECONDS_WITHOUT_BROKER = 0.5
RETRY_SECONDS = 0.5
BIND_SECONDS = 10.0
MARGIN = timedelta(seconds=60)
"""A revocation is in the list this much later than its time at most (the writes of a majority)."""
MOST_WAITING = 100_000
"""Events that wait in the queue; beyond it the oldest are dropped, and the list tells of them."""

DEPARTURES = "chat.departures."
"""And the database's name: instances on one database are one service."""

TakeSessions = Callable[[Iterable[RevokedSession]], None]
TakeDeparture = Callable[[DeletedEmployee], Awaitable[None]]


class AuthFeed:
    """Tells `revoked` of every revoked session, some of them again and again, and `departed` of
    every deleted employee. `amqp_url` is None where there is no broker: then it only asks, often,
    and cannot hear of deleted employees."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        auth_url: str,
        amqp_url: str | None,
        instance: str,
        database: str,
        revoked: TakeSessions,
        departed: TakeDeparture,
    ) -> None:
        self._http = http
        self._url = auth_url + REVOKED_SESSIONS
        self._amqp_url = amqp_url
        self._instance = instance
        self._departures = DEPARTURES + database
        self._revoked = revoked
        self._departed = departed
        self.unreadable = Recurring(log, "dropped events that cannot be read")
        self._since: datetime | None = None
        self._hears = False
        self._ask = asyncio.Event()
        self._behind: str | None = "the revoked sessions are not known yet"

    async def run(self) -> None:
        """Listen and ask until cancelled."""
        parts = [self._keep_asking()]
        if self._amqp_url is not None:
            name = f"{self._instance} auth"
            parts.append(stay_connected(self._amqp_url, name, self._listen))
            parts.append(
                stay_connected(self._amqp_url, f"{name} departures", self._hear_of_departures)
            )
        await together(*parts)

    async def check(self) -> str | None:
        """For readiness: None while nothing can have been missed."""
        return self._behind

    async def _keep_asking(self) -> None:
        while True:
            self._ask.clear()
            hears = self._hears or self._amqp_url is None
            asked = await self._catch_up()
            if asked and hears and not self._ask.is_set():
                self._behind = None
            try:
                async with asyncio.timeout(self._pause() if asked else RETRY_SECONDS):
                    await self._ask.wait()
            except TimeoutError:
                continue

    def _pause(self) -> float:
        if self._amqp_url is None:
            return ASK_SECONDS_WITHOUT_BROKER
        return ASK_SECONDS if self._hears else ASK_SECONDS_DEAF

    async def _catch_up(self) -> bool:
        """Read the list from a little before where it ended last; False where it could not be."""
        since, newest = self._since, None
        try:
            while True:
                sessions = await self._fetch(since)
                self._revoked(sessions)
                newest = sessions[-1].revoked_at if sessions else newest
                if len(sessions) < MOST_REVOKED or newest == since:
                    break
                since = newest
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            log.warning("cannot read the revoked sessions", reason=str(error) or "time-out")
            return False
        if newest is not None:
            self._since = newest - MARGIN
        return True

    async def _fetch(self, after: datetime | None) -> tuple[RevokedSession, ...]:
        since = {} if after is None else {"since": after.isoformat()}
        timeout = aiohttp.ClientTimeout(total=5)
        async with self._http.get(self._url, params=since, timeout=timeout) as response:
            response.raise_for_status()
            return revoked_sessions(await response.read()).sessions

    async def _listen(self, connection: AbstractConnection) -> None:
        async with asyncio.timeout(4 * TIMEOUT_SECONDS):
            channel, ended = await _channel(connection)
            queue = await channel.declare_queue(
                "",
                exclusive=True,
                auto_delete=True,
                arguments={"x-max-length": MOST_WAITING, "x-overflow": "drop-head"},
            )
            await _bind(channel, queue, SESSION_REVOKED)
            await queue.consume(self._heard, no_ack=True)
        self._hears = True
        self._ask.set()
        try:
            await _stay_bound(channel, queue, SESSION_REVOKED, ended)
        finally:
            self._hears = False
            self._behind = "what the broker would have told while it was away is not known yet"
            self._ask.set()

    async def _hear_of_departures(self, connection: AbstractConnection) -> None:
        async with asyncio.timeout(4 * TIMEOUT_SECONDS):
            channel, ended = await _channel(connection)
            await channel.set_qos(prefetch_count=1)
            queue = await channel.declare_queue(self._departures, durable=True)
            await _bind(channel, queue, EMPLOYEE_DELETED)
        bound = asyncio.ensure_future(_stay_bound(channel, queue, EMPLOYEE_DELETED, ended))
        seeing = asyncio.ensure_future(self._see_to(queue))
        try:
            await asyncio.wait([bound, seeing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (bound, seeing):
                task.cancel()
            await asyncio.gather(bound, seeing, return_exceptions=True)

    async def _see_to(self, departures: AbstractQueue) -> None:
        async with departures.iterator() as messages:
            async for message in messages:
                try:
                    gone = deleted_employee(message.body)
                except ValueError as error:
                    self.unreadable.warn(reason=str(error))
                else:
                    await self._departed(gone)
                await message.ack()

    async def _heard(self, message: AbstractIncomingMessage) -> None:
        try:
            self._revoked([revoked_session(message.body)])
        except ValueError as error:
            self.unreadable.warn(reason=str(error))


async def _channel(connection: AbstractConnection) -> tuple[AbstractChannel, asyncio.Event]:
    """A channel, and what is set when it has closed, or the broker has cancelled its consumer: the
    queue is gone, or away with its member of the cluster."""
    channel = await connection.channel(publisher_confirms=False)
    ended = asyncio.Event()
    channel.close_callbacks.add(lambda *_: ended.set())
    consuming = await channel.get_underlay_channel()
    consuming.on_consumer_cancel_callbacks.add(lambda _: ended.set())
    return channel, ended


async def _bind(channel: AbstractChannel, queue: AbstractQueue, key: str) -> None:
    exchange = await channel.declare_exchange(EXCHANGE, ExchangeType.TOPIC, durable=True)
    await queue.bind(exchange, key)


async def _stay_bound(
    channel: AbstractChannel, queue: AbstractQueue, key: str, ended: asyncio.Event
) -> None:
    """Returns when `ended`. An exchange that was deleted and made again has lost its bindings, and
    nobody is told: so they are made again now and then."""
    while not ended.is_set():
        try:
            async with asyncio.timeout(BIND_SECONDS):
                await ended.wait()
        except TimeoutError:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await _bind(channel, queue, key)
