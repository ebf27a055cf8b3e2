"""This instance's lease, by which the others know that it is alive; clears up after ended boots.

It must never know who is connected here, a socket, the broker or MongoDB.
"""

import asyncio
from collections.abc import Awaitable
from time import monotonic
from uuid import uuid4

from msgspec import Struct

from chat_service.presence.announcer import Announcer
from chat_service.presence.store import BATCH, Boot, PresenceStore
from shared.errors import ServiceError, Unavailable
from shared.observability.logs import get_logger

log = get_logger("presence")

ROUNDS = 3
"""How often during one lease it is renewed, and how often ended boots are looked for."""
END_SECONDS = 3.0
"""How long shortening the lease may take at shutdown."""


class Takeover(Struct, frozen=True):
    """What a new boot found in the database.

    `employees` are those who are connected to it as far as the database knows. Those of them who
    are not were surely connected `ago` seconds ago.
    """

    employees: list[str]
    ago: float


class Lease:
    """Keeps this instance alive under a boot, for `seconds` after each renewal."""

    def __init__(
        self, store: PresenceStore, instance: str, seconds: float, announcer: Announcer
    ) -> None:
        self._store = store
        self._instance = instance
        self._seconds = seconds
        self._announcer = announcer
        self._boot: str | None = None
        # The boots to take over from, and how long ago each was alive; None until they are read.
        self._former: dict[str, float] | None = None
        self._renew_at = 0.0
        self._steady_since = float("inf")

    async def keep(self) -> tuple[str, Takeover | None]:
        """Renew the lease if it is time to. Returns the boot that is alive, and its takeover if it
        has just begun: at start, and after the lease expired. Raises `Unavailable`."""
        if self._boot is not None and monotonic() < self._renew_at:
            return self._boot, None
        takeover = None
        if self._boot is None or not await self._store.renew(self._boot, self._seconds):
            self._boot, takeover = await self._begin()
        self._renew_at = monotonic() + self._seconds / ROUNDS
        return self._boot, takeover

    async def end(self, seconds: float) -> None:
        """Let the lease expire in `seconds`, if the database can be reached."""
        if self._boot is not None:
            try:
                async with asyncio.timeout(END_SECONDS):
                    await self._store.renew(self._boot, seconds)
            except (TimeoutError, Unavailable):
                log.info("could not shorten the lease; it expires by itself")

    async def noting_outages(self, step: Awaitable[None]) -> None:
        """Await `step`, and note a `ServiceError` that it raises: see `clear_up`."""
        try:
            await step
        except ServiceError:
            self._steady_since = monotonic()
            raise

    async def clear_up(self) -> None:
        """Take offline whom ended boots left behind. A second instance that does the same at once
        finds nothing to change. Raises `Unavailable`.

        Does nothing for one lease after this instance began or could not reach the database:
        perhaps the others could not either, and are about to renew their leases.
        """
        if monotonic() - self._steady_since < self._seconds:
            return
        ended = await self._store.ended()
        if any(boot.id == self._boot for boot in ended):
            return  # this process was stalled itself
        for boot in ended:
            await self._clear_up_after(boot)

    async def _clear_up_after(self, boot: Boot) -> None:
        employees = await self._store.at(boot.id)
        log.info("clearing up after an instance", boot=boot.id, employees=len(employees))
        for start in range(0, len(employees), BATCH):
            batch = employees[start : start + BATCH]
            token = uuid4().hex
            try:
                await self._store.departed(boot.id, dict.fromkeys(batch, boot.ago), token)
            finally:
                self._announcer.changed(token, batch)
        await self._store.forget(boot.id)

    async def _begin(self) -> tuple[str, Takeover]:
        """Begin a new boot, which takes over from the former ones.

        At start these are all boots of the same instance name. Later they are only this process's
        own: two instances that were given one name by mistake must not take from each other for
        ever.
        """
        if self._former is None:
            boots = await self._store.former(self._instance)
            self._former = {boot.id: boot.ago or 0.0 for boot in boots}
        if self._boot is not None:
            log.warning("the lease of this instance had expired", boot=self._boot)
            self._former[self._boot] = 0.0
            self._boot = None
        boot = uuid4().hex
        former = dict(self._former)
        self._former[boot] = 0.0  # in case a later step fails
        await self._store.begin(boot, self._instance, self._seconds)
        await self._store.take_over(list(former), boot)
        employees = await self._store.at(boot)
        self._former.clear()
        self._steady_since = monotonic()
        return boot, Takeover(employees, min(former.values(), default=0.0))
