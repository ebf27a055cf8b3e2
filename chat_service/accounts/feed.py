"""Hears from the auth service through RabbitMQ, and reads its list of revoked sessions.

Revocations come through a queue of this instance on the exchange `auth.events`. They are hints; the
truth is the auth service's list. It is read before this instance is ready, again whenever the queue
was away, and every `ASK_SECONDS`, so none stays unknown for longer.

Deletions of employees come through one durable queue of all instances: one of them handles each,
and acks it when that is done. The queue lives on one member of the RabbitMQ cluster and is away
while that member is; so it has a connection of its own, and readiness does not depend on it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

import aiohttp

from shared.amqp import subscribe, work_off
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
"""While revocations cannot be heard."""
ASK_SECONDS_WITHOUT_BROKER = 0.5
RETRY_SECONDS = 0.5
MARGIN = timedelta(seconds=60)
"""A revocation is in the list at most this long after its `revoked_at` (majority writes)."""
MOST_WAITING = 100_000
"""Revocations that the queue holds; beyond that the oldest are dropped, and read from the list."""

DEPARTURES = "chat.departures."
"""Prefix of the queue of deletions; the database's name follows. All instances share both."""

TakeSessions = Callable[[Iterable[RevokedSession]], None]
TakeDeparture = Callable[[DeletedEmployee], Awaitable[None]]


class AuthFeed:
    """Calls `revoked` for every revoked session, and `departed` for every deleted employee.

    Both may be called more than once for the same one. `amqp_url` is None without RabbitMQ: then
    the list is read every `ASK_SECONDS_WITHOUT_BROKER`, and deletions stay unknown.
    """

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
        self._behind: str | None = "the revoked sessions have not been read yet"

    async def run(self) -> None:
        """Listen and ask until cancelled."""
        tasks = [self._keep_asking()]
        if (url := self._amqp_url) is not None:
            name = f"{self._instance} auth"
            sessions = subscribe(
                url,
                name,
                EXCHANGE,
                SESSION_REVOKED,
                most=MOST_WAITING,
                received=self._session_revoked,
                subscribed=self._subscribed,
            )
            departures = work_off(
                url,
                f"{name} departures",
                EXCHANGE,
                EMPLOYEE_DELETED,
                queue=self._departures,
                handle=self._employee_deleted,
            )
            tasks += [sessions, departures]
        await together(*tasks)

    async def check(self) -> str | None:
        """For readiness: None while no revocation can have been missed."""
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
        """Read the list from `MARGIN` before its last entry; False if that failed."""
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
            log.warning("cannot read the revoked sessions", reason=str(error) or "timeout")
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

    def _subscribed(self, hears: bool) -> None:
        self._hears = hears
        if not hears:
            self._behind = "revocations may have been missed while RabbitMQ was away"
        self._ask.set()

    def _session_revoked(self, body: bytes) -> None:
        try:
            self._revoked([revoked_session(body)])
        except ValueError as error:
            self.unreadable.warn(reason=str(error))

    async def _employee_deleted(self, body: bytes) -> None:
        try:
            gone = deleted_employee(body)
        except ValueError as error:
            self.unreadable.warn(reason=str(error))
        else:
            await self._departed(gone)
