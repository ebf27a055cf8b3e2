"""Keeps who is connected to this instance, and writes it behind in batches.

No socket waits for anything here. A departure is written after a grace time, so that a reload is
no news. What a crashed instance leaves behind, the others clear up once its lease has expired.
It must never know a socket, the broker or MongoDB.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from time import monotonic
from uuid import uuid4

from msgspec import Struct

from chat_service.presence.announcer import ANNOUNCE_SECONDS, Announcer, Tell
from chat_service.presence.lease import ROUNDS, Lease, Takeover
from chat_service.presence.store import BATCH, Presence, PresenceStore
from shared.tasks import every, together

WRITE_SECONDS = 0.2
"""Interval at which arrivals and departures are written."""


class PresenceTimes(Struct, frozen=True):
    """In seconds: how long somebody may be away before they are offline, and how long after its
    last sign an instance counts as alive."""

    grace: float
    lease: float


class _Going(Struct, frozen=True):
    """When somebody left, and when that is to be written, by the monotonic clock."""

    left: float
    due: float


class PresenceKeeper:
    """Keeps the presence of the employees who are connected to this instance."""

    def __init__(self, store: PresenceStore, instance: str, times: PresenceTimes) -> None:
        self._store = store
        self._times = times
        self._announcer = Announcer(store)
        self._lease = Lease(store, instance, times.lease, self._announcer)
        self._coming: dict[str, None] = {}
        self._going: dict[str, _Going] = {}
        # Whom the database has as connected here: True for certain, False perhaps.
        self._written: dict[str, bool] = {}
        # A token is used until a write succeeds: a write that failed may have been carried out, and
        # what it changed is announced with the next.
        self._arrival = uuid4().hex
        self._departure = uuid4().hex

    def came(self, employee: str) -> None:
        """Call this at an employee's first connection here."""
        self._going.pop(employee, None)
        if not self._written.get(employee, False):
            self._coming[employee] = None

    def left(self, employee: str) -> None:
        """Call this after an employee's last connection here."""
        self._coming.pop(employee, None)
        if employee in self._written:
            now = monotonic()
            self._going[employee] = _Going(now, now + self._times.grace)

    async def of(self, employees: Sequence[str]) -> list[Presence]:
        """The presence of each, in their order. Raises `Unavailable`."""
        return await self._store.of(employees)

    async def run(self, here: Callable[[], Iterable[str]], tell: Tell) -> None:
        """Write, announce by `tell`, and clear up until cancelled. `here` gives who is connected to
        this instance at the moment."""
        noting_outages = self._lease.noting_outages
        pause = self._times.lease / ROUNDS
        await together(
            every(WRITE_SECONDS, lambda: noting_outages(self._write(here))),
            every(ANNOUNCE_SECONDS, lambda: noting_outages(self._announcer.announce(tell))),
            every(pause, lambda: noting_outages(self._lease.clear_up()), jitter=pause / 4),
        )

    async def end(self) -> None:
        """Let the lease expire after the grace time, in which most connect to another instance.

        Those who do not go offline when another instance clears up, or are taken over when this one
        starts again.
        """
        await self._lease.end(self._times.grace)

    async def _write(self, here: Callable[[], Iterable[str]]) -> None:
        boot, takeover = await self._lease.keep()
        if takeover is not None:
            self._reconcile(takeover, set(here()))
        while self._coming:
            await self._write_coming(boot, list(islice(self._coming, BATCH)))
        while due := self._due():
            await self._write_going(boot, due)

    def _reconcile(self, takeover: Takeover, here: set[str]) -> None:
        now = monotonic()
        self._written = dict.fromkeys(takeover.employees, True)
        for employee in self._written.keys() - here:
            going = _Going(now - takeover.ago, now + self._times.grace)
            self._going.setdefault(employee, going)
        for employee in here - self._written.keys():
            self._coming[employee] = None

    async def _write_coming(self, boot: str, employees: list[str]) -> None:
        for employee in employees:
            del self._coming[employee]
            self._written[employee] = False
        try:
            await self._store.arrived(boot, employees, self._arrival)
        except BaseException:
            again = dict.fromkeys(one for one in employees if one not in self._going)
            self._coming = again | self._coming
            raise
        for employee in employees:
            self._written[employee] = True
        self._announcer.changed(self._arrival, employees)
        self._arrival = uuid4().hex

    def _due(self) -> dict[str, _Going]:
        now = monotonic()
        due = ((employee, going) for employee, going in self._going.items() if going.due <= now)
        return dict(islice(due, BATCH))

    async def _write_going(self, boot: str, due: dict[str, _Going]) -> None:
        for employee in due:
            del self._going[employee]
            self._written[employee] = False
        now = monotonic()
        ago = {employee: now - going.left for employee, going in due.items()}
        try:
            await self._store.departed(boot, ago, self._departure)
        except BaseException:
            again = {one: going for one, going in due.items() if one not in self._coming}
            self._going = again | self._going
            raise
        for employee in due:
            if employee not in self._coming:
                self._written.pop(employee, None)
        self._announcer.changed(self._departure, list(due))
        self._departure = uuid4().hex
