"""The collection `leases`: which instances tell of what they write. Driver types stay here.

Times are the database's own, so that the clocks of instances do not matter.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct

from shared.mongo import Collection, Database, Document, reachable

LEASE_SECONDS = 8.0
MARGIN = timedelta(seconds=10)
"""Entries that were written so long before the last renewal may be untold as well: as long as a
commit and its publication may take, with room for a slow clock."""


class EndedLease(Struct, frozen=True):
    """A lease without a goodbye; entries of `boot` since `untold_since` may be untold."""

    boot: str
    untold_since: datetime


class LeaseStore:
    """Every method may raise `Unavailable`."""

    def __init__(self, ready: Callable[[], Database]) -> None:
        self._ready = ready

    @property
    def _leases(self) -> Collection:
        return self._ready()["leases"]

    @staticmethod
    async def begin(database: Database, boot: str) -> None:
        """Has to come before the first entry of `boot`; repeatable."""
        await _renew(database["leases"], boot, 0.0)

    async def renew(self, boot: str, untold: float) -> int:
        """Keep the lease for `LEASE_SECONDS`; the last `untold` seconds' entries may be untold.
        Returns how many instances have a lease."""
        with reachable():
            await _renew(self._leases, boot, untold)
            return await self._leases.count_documents({"$expr": {"$gt": ["$until", "$$NOW"]}})

    async def ended(self) -> list[EndedLease]:
        with reachable():
            rows = await self._leases.find({"$expr": {"$lte": ["$until", "$$NOW"]}}).to_list(None)
        return [EndedLease(row["_id"], row["untold_since"] - MARGIN) for row in rows]

    async def forget(self, boot: str) -> None:
        with reachable():
            await self._leases.delete_one({"_id": boot})


async def _renew(leases: Collection, boot: str, untold: float) -> None:
    change: Document = {
        "until": {"$add": ["$$NOW", round(LEASE_SECONDS * 1000)]},
        "untold_since": {"$subtract": ["$$NOW", round(untold * 1000)]},
    }
    await leases.update_one({"_id": boot}, [{"$set": change}], upsert=True)
