"""The lease by which the others know that this instance still tells of what it wrote.

Whoever finds one that ended without a goodbye announces the conversations to which that instance
wrote last. It must never know who is connected, a socket, the broker or the driver.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress

from chat_service.log.entries import Announcement
from chat_service.log.in_doubt import OnDoubt
from chat_service.log.lease_store import EndedLease, LeaseStore
from chat_service.log.store import EntryStore
from shared.errors import Unavailable
from shared.observability.logs import get_logger
from shared.tasks import every

log = get_logger("lease")

RENEW_SECONDS = 2.0
"""Between two renewals, and between two looks for leases that have ended."""
END_SECONDS = 3.0
"""How long the goodbye may take at shutdown."""

Participants = Callable[[Iterable[str]], Awaitable[Mapping[str, tuple[str, str]]]]
"""The participants of the conversations that exist among those asked for, by id."""


class LogLease:
    """Keeps the lease of one life of this instance, its `boot`, and claims those of others."""

    def __init__(self, store: LeaseStore, entries: EntryStore, boot: str) -> None:
        self.alive = 1
        """Instances with a lease when it was renewed last, this one included."""
        self._store = store
        self._entries = entries
        self._boot = boot

    async def run(
        self, untold: Callable[[], float], participants: Participants, on_untold: OnDoubt
    ) -> None:
        """Renew and claim until cancelled.

        `untold` says for how many seconds there have been entries here that the other instances
        were not told of. `on_untold` is given the heads of what an ended instance wrote.
        """

        async def step() -> None:
            self.alive = await self._store.renew(self._boot, untold())
            for ended in await self._store.ended():
                await self._claim(ended, participants, on_untold)

        await every(RENEW_SECONDS, step)

    async def end(self) -> None:
        """Say goodbye: everything was told. If that fails, another instance finds the lease."""
        with suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(END_SECONDS):
                await self._store.forget(self._boot)

    async def _claim(
        self, ended: EndedLease, participants: Participants, on_untold: OnDoubt
    ) -> None:
        """Announce, then forget the lease: whoever is killed in between leaves it to the next."""
        written = await self._entries.written_by(ended.boot, ended.untold_since)
        people = await participants(written)
        heads = await self._entries.heads(people)
        log.info(
            "telling of what an ended instance wrote", boot=ended.boot, conversations=len(people)
        )
        on_untold([Announcement(id, *both, heads[id].seq) for id, both in people.items()])
        await self._store.forget(ended.boot)
