"""Announces to other services what the database already has: revoked sessions, deleted employees.

The database is the outbox. The write that revokes or deletes also marks the event as unannounced;
the mark is removed once RabbitMQ has confirmed the event. A crash, or a broker that is away, only
delays an event: whichever replica looks next publishes it. An event may be published twice.

Without a broker nothing is published: other services read the list of revoked sessions anyway.
"""

import asyncio
from collections.abc import Awaitable, Callable

from auth_service.outbox.deletions import Deletions
from auth_service.sessions import Sessions
from shared.amqp import Publisher, Undelivered, publish
from shared.auth_events import EMPLOYEE_DELETED, EXCHANGE, SESSION_REVOKED, encode
from shared.errors import ServiceError
from shared.observability.logs import get_logger

log = get_logger("announcer")

LOOK_SECONDS = 5.0
"""How often the replicas look for events that another one has left behind."""
AT_ONCE = 500


class Announcer:
    """Publishes to the exchange `auth.events`. `url` is RabbitMQ's, None if there is none."""

    def __init__(self, url: str | None, sessions: Sessions, deletions: Deletions) -> None:
        self._url = url
        self._sessions = sessions
        self._deletions = deletions
        self._news = asyncio.Event()

    def wake(self) -> None:
        """There may be an event to publish."""
        self._news.set()

    async def run(self) -> None:
        """Publish events until cancelled."""
        if self._url is None:
            log.warning("no broker: other services learn of revoked sessions only when they ask")
            await self._repeat(self._forget_deletions)
        else:
            await publish(self._url, "auth", EXCHANGE, self._announce)

    async def _announce(self, publisher: Publisher) -> None:
        async def step() -> None:
            await self._announce_sessions(publisher)
            await self._announce_deletions(publisher)

        await self._repeat(step)

    async def _forget_deletions(self) -> None:
        for gone in await self._deletions.unannounced(AT_ONCE):
            await self._deletions.announced(gone)

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        """Await `step` on each `wake`, and every `LOOK_SECONDS`. Only a `ServiceError` is no reason
        to connect again."""
        while True:
            self._news.clear()
            try:
                await step()
            except ServiceError as error:
                log.debug("cannot read the outbox", reason=error.detail)
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _announce_sessions(self, publisher: Publisher) -> None:
        while sessions := await self._sessions.unannounced(AT_ONCE):
            await asyncio.gather(
                *(
                    publisher.publish(SESSION_REVOKED, encode(session), mandatory=False)
                    for session in sessions
                )
            )
            await self._sessions.announced(sessions)

    async def _announce_deletions(self, publisher: Publisher) -> None:
        """A deletion must reach a queue: one that no queue takes is published again later."""
        for gone in await self._deletions.unannounced(AT_ONCE):
            try:
                await publisher.publish(EMPLOYEE_DELETED, encode(gone), mandatory=True)
            except Undelivered:
                log.warning("no queue takes the deletion of an employee", employee=gone.employee)
                return
            await self._deletions.announced(gone)
