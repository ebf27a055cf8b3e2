"""Presence: who is online, on any instance, and telling those who have conversations with them.

Nothing here is waited for by a socket: comings and goings are noted, and written behind in
batches. Going is written after a grace time, so that a reload is no news. What an instance that
died has left is cleared by the others when its lease is over. It must never know a socket, the
broker or MongoDB.

Announcements are hints, sent once and perhaps lost; `of` is the truth. Two of one employee may
arrive in the wrong order, from two instances: the one with the later `last_seen` holds.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from uuid import uuid4

from msgspec import Struct

from chat_service.delivery import text_frame
from chat_service.presence.store import Presence, PresenceStore
from chat_service.protocol import PresenceEvent, encode
from shared.errors import ServiceError, Unavailable
from shared.observability.logs import get_logger
from shared.tasks import together

log = get_logger("presence")

WRITE_SECONDS = 0.2
"""Interval at which comings and goings are written: one database call for all of them."""
BATCH = 500
"""Employees in one database call."""
PARTNERS = 500
"""How many are told of a change: the partners of the most recent conversations."""
ANNOUNCED_TOGETHER = 100
ANNOUNCE_SECONDS = 0.1
"""Pause after each `ANNOUNCED_TOGETHER` changes: a thousand a second leave room for messages."""
WAITING = 200
"""Batches of changes that wait to be announced; beyond it the oldest are not."""
LOOKS = 3
"""During a lease it is renewed this often, and ended ones are looked for as often."""
RETRY_SECONDS = 1.0
END_SECONDS = 3.0

Tell = Callable[[tuple[str, ...], bytes], None]
"""(employees, frame): give a frame to their sockets, wherever they are; it must not block."""


class PresenceTimes(Struct, frozen=True):
    """In seconds: how long somebody may be away before it counts, and how long an instance is taken
    for alive after it was heard last."""

    grace: float
    lease: float


class _Going(Struct, frozen=True):
    """By the event loop's clock: when somebody left, and when that is to be written."""

    left: float
    due: float


class _Batch(Struct, frozen=True):
    """Employees whose status may have changed under `token`."""

    token: str
    employees: Sequence[str]


class PresenceKeeper:
    """Keeps the presence of the employees who are connected to this instance.

    `here` tells who they are at the moment. `came` and `left` are called at an employee's first
    connection and after the last one.
    """

    def __init__(
        self,
        store: PresenceStore,
        instance: str,
        here: Callable[[], Iterable[str]],
        tell: Tell,
        times: PresenceTimes,
    ) -> None:
        self._store = store
        self._instance = instance
        self._here = here
        self._tell = tell
        self._times = times
        self._clock = asyncio.get_running_loop().time
        self._boot: str | None = None
        self._former: dict[str, float] | None = None
        self._renew_at = 0.0
        self._steady_since = float("inf")
        self._coming: dict[str, None] = {}
        self._going: dict[str, _Going] = {}
        # Who is in the database as being here: True surely, False perhaps.
        self._written: dict[str, bool] = {}
        self._token = uuid4().hex
        self._arrivals = 0
        self._departures = 0
        self._clearings = 0
        self._news: deque[_Batch] = deque(maxlen=WAITING)
        self._work = asyncio.Event()

    def came(self, employee: str) -> None:
        """This employee is connected here."""
        self._going.pop(employee, None)
        if not self._written.get(employee, False):
            self._coming[employee] = None

    def left(self, employee: str) -> None:
        """This employee's last connection here is gone."""
        self._coming.pop(employee, None)
        if employee in self._written:
            now = self._clock()
            self._going[employee] = _Going(now, now + self._times.grace)

    async def of(self, employees: Sequence[str]) -> list[Presence]:
        """The presence of each, in their order. Raises `Unavailable`."""
        return await self._store.of(employees)

    async def run(self) -> None:
        """Write, announce and clear up until cancelled."""
        look = self._times.lease / LOOKS
        await together(
            self._again_and_again(self._write, WRITE_SECONDS),
            self._again_and_again(self._announce, ANNOUNCE_SECONDS),
            self._again_and_again(self._clear_up, look, jitter=look / 4),
        )

    async def end(self) -> None:
        """Let the lease run out after the grace time, when most will be connected elsewhere. Who is
        not is then cleared up by another instance, or taken over when this one starts again."""
        if self._boot is not None:
            try:
                async with asyncio.timeout(END_SECONDS):
                    await self._store.renew(self._boot, self._times.grace)
            except (TimeoutError, Unavailable):
                log.info("the lease could not be shortened; it will end by itself")

    async def _again_and_again(
        self, step: Callable[[], Awaitable[None]], pause: float, jitter: float = 0.0
    ) -> None:
        while True:
            try:
                await step()
            except ServiceError:
                self._steady_since = self._clock()
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:
                log.exception("presence goes on after a failure")
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(pause + random.uniform(-jitter, jitter))

    # The lease.

    async def _keep_lease(self) -> str:
        """The boot as which this instance lives; another one where the lease was over."""
        if self._clock() >= self._renew_at or self._boot is None:
            lease = self._times.lease
            if self._boot is None or not await self._store.renew(self._boot, lease):
                self._boot = await self._begin()
            self._renew_at = self._clock() + lease / LOOKS
        return self._boot

    async def _begin(self) -> str:
        """Live as a new boot, which takes over from the former ones.

        At start these are all boots of the same name, whose people have the grace time to come
        back. Later only one's own: two instances that were given one name by mistake must not take
        from each other for ever.
        """
        if self._former is None:
            ended = await self._store.former(self._instance)
            self._former = {one.boot: one.ago or 0.0 for one in ended}
        if self._boot is not None:
            log.warning("the lease of this instance was over", boot=self._boot)
            self._former[self._boot] = 0.0
            self._boot = None
        boot = uuid4().hex
        former = dict(self._former)
        self._former[boot] = 0.0  # should this not get through to its end
        await self._store.begin(boot, self._instance, self._times.lease)
        await self._store.take_over(list(former), boot)
        self._reconcile(await self._store.at(boot), min(former.values(), default=0.0))
        self._former.clear()
        self._steady_since = self._clock()
        return boot

    def _reconcile(self, written: list[str], ago: float) -> None:
        """These are in the database as being here; who is not was seen `ago` seconds ago."""
        here = set(self._here())
        now = self._clock()
        self._written = dict.fromkeys(written, True)
        for employee in written:
            if employee not in here:
                self._going.setdefault(employee, _Going(now - ago, now + self._times.grace))
        for employee in here.difference(written):
            self._coming[employee] = None

    # Writing. A token is used until the write has succeeded: an attempt that failed may have been
    # carried out, and what it changed is announced with the rest.

    async def _write(self) -> None:
        boot = await self._keep_lease()
        while self._coming:
            await self._write_coming(boot, list(islice(self._coming, BATCH)))
        while due := self._due():
            await self._write_going(boot, due)

    async def _write_coming(self, boot: str, employees: list[str]) -> None:
        for employee in employees:
            del self._coming[employee]
            self._written[employee] = False
        token = f"{self._token}+{self._arrivals}"
        try:
            await self._store.arrived(boot, employees, token)
        except BaseException:
            again = dict.fromkeys(one for one in employees if one not in self._going)
            self._coming = again | self._coming
            raise
        for employee in employees:
            self._written[employee] = True
        self._arrivals += 1
        self._changed(token, employees)

    def _due(self) -> dict[str, _Going]:
        now = self._clock()
        due = ((employee, going) for employee, going in self._going.items() if going.due <= now)
        return dict(islice(due, BATCH))

    async def _write_going(self, boot: str, due: dict[str, _Going]) -> None:
        for employee in due:
            del self._going[employee]
            self._written[employee] = False
        now = self._clock()
        ago = {employee: now - going.left for employee, going in due.items()}
        token = f"{self._token}-{self._departures}"
        try:
            await self._store.departed(boot, ago, token)
        except BaseException:
            again = {one: going for one, going in due.items() if one not in self._coming}
            self._going = again | self._going
            raise
        for employee in due:
            if employee not in self._coming:
                self._written.pop(employee, None)
        self._departures += 1
        self._changed(token, list(due))

    # Clearing up after others.

    async def _clear_up(self) -> None:
        """Clear what ended boots have left: a second instance that does the same finds nothing.

        Not in the first lease time after this instance could not reach the database: the others
        could not either, perhaps, and are about to come back.
        """
        if self._clock() - self._steady_since < self._times.lease:
            return
        ended = await self._store.ended()
        if any(one.boot == self._boot for one in ended):
            return  # this instance stood still itself
        for one in ended:
            employees = await self._store.at(one.boot)
            log.info("clearing up after an instance", boot=one.boot, employees=len(employees))
            for start in range(0, len(employees), BATCH):
                batch = employees[start : start + BATCH]
                self._clearings += 1
                token = f"{self._token}*{self._clearings}"
                try:
                    await self._store.departed(one.boot, dict.fromkeys(batch, one.ago), token)
                finally:
                    self._changed(token, batch)
            await self._store.forget(one.boot)

    # Announcing.

    def _changed(self, token: str, employees: Sequence[str]) -> None:
        self._news.append(_Batch(token, employees))
        self._work.set()

    async def _announce(self) -> None:
        """Tell the partners of some whose status has changed, and is still so."""
        while not self._news:
            self._work.clear()
            await self._work.wait()
        batch = self._news.popleft()
        try:
            some, rest = batch.employees[:ANNOUNCED_TOGETHER], batch.employees[ANNOUNCED_TOGETHER:]
            changes = await self._store.changes(batch.token, some, PARTNERS)
        except BaseException:
            self._news.appendleft(batch)
            raise
        if rest:
            self._news.appendleft(_Batch(batch.token, rest))
        for change in changes:
            if change.partners:
                event = PresenceEvent(change.employee, change.status, change.last_seen)
                self._tell(change.partners, text_frame(encode(event)))
