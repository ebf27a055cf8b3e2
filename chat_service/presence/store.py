"""The collections `presence`, who is connected and where, and `instances`, which processes live.

A boot is one life of an instance, under a random id. It lives as long as its lease, which nobody
can renew after its end: an instance that finds its lease over goes on as another boot. All times
are the database's own (`$$NOW`), so the clocks of instances do not matter. Driver types stay in
this file.

`presence` has one document for each employee: `boots` where they are connected (online while there
is one), `seen`, and `cause`. An employee's status changes within one atomic update of that
document, which leaves its token as the `cause`: so exactly one instance knows that it made the
change and has to tell of it, and it tells of nothing that somebody else has changed since.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from pymongo.errors import OperationFailure

from chat_service.inbox import partner_stages
from chat_service.protocol import Status
from shared.mongo import Collection, Database, Document, reachable, unavailable
from shared.times import Time

WRITE_CONCERN = {"w": "majority", "wtimeout": 5000}


class Presence(Struct, frozen=True):
    """`last_seen` is when an online employee came, when an offline one was connected last, null for
    one who never was. It never decreases: of two reports the later holds."""

    employee: str
    status: Status
    last_seen: Time | None


class Change(Struct, frozen=True):
    """A status that is news, and the partners of the employee's most recent conversations."""

    employee: str
    status: Status
    last_seen: datetime
    partners: tuple[str, ...]


class Ended(Struct, frozen=True):
    """A boot that lives no more; `ago` is how many seconds ago it lived surely, None where nothing
    is known of it."""

    boot: str
    ago: float | None


class PresenceStore:
    """Reads and writes presence. Every method may raise `Unavailable`."""

    def __init__(self, ready: Callable[[], Database]) -> None:
        """`ready` gives the database, or raises `Unavailable` while its indexes are missing."""
        self._ready = ready

    @property
    def _presence(self) -> Collection:
        return self._ready()["presence"]

    @property
    def _instances(self) -> Collection:
        return self._ready()["instances"]

    @staticmethod
    async def prepare(database: Database) -> None:
        """Indexes; repeatable."""
        await database["presence"].create_index("boots")

    async def of(self, employees: Sequence[str]) -> list[Presence]:
        """The presence of each, in their order."""
        with reachable():
            rows = await self._presence.find({"_id": {"$in": list(employees)}}).to_list(None)
        found = {row["_id"]: _presence(row) for row in rows}
        return [
            found.get(employee) or Presence(employee, "offline", None) for employee in employees
        ]

    async def arrived(self, boot: str, employees: Iterable[str], token: str) -> None:
        """These are connected at `boot`."""
        before = {"$ifNull": ["$boots", []]}
        was_offline = {"$eq": [before, []]}
        change = {
            "boots": {"$setUnion": [before, [boot]]},
            "seen": {"$cond": [was_offline, {"$max": ["$seen", "$$NOW"]}, "$seen"]},
            "cause": {"$cond": [was_offline, token, "$cause"]},
        }
        pipeline = [{"$set": change}]
        await self._update(
            [{"q": {"_id": employee}, "u": pipeline, "upsert": True} for employee in employees]
        )

    async def departed(self, boot: str, ago: Mapping[str, float | None], token: str) -> None:
        """These are not connected at `boot` any more: when it ended is `ago`, in seconds."""
        now_offline = {"$eq": ["$boots", [boot]]}
        left = {"$setDifference": ["$boots", [boot]]}
        cause = {"$cond": [now_offline, token, "$cause"]}
        await self._update(
            [
                {
                    "q": {"_id": employee, "boots": boot},
                    "u": [
                        {
                            "$set": {
                                "boots": left,
                                "seen": {"$max": ["$seen", _moment(seconds)]},
                                "cause": cause,
                            }
                        }
                    ],
                }
                for employee, seconds in ago.items()
            ]
        )

    async def at(self, boot: str) -> list[str]:
        """The employees who are connected at `boot`, as far as was written."""
        with reachable():
            rows = await self._presence.find({"boots": boot}, {"_id": 1}).to_list(None)
        return [row["_id"] for row in rows]

    async def changes(self, token: str, employees: Sequence[str], partners: int) -> list[Change]:
        """Those of `employees` whose last change of status was made under `token`, each with at
        most `partners` partners."""
        pipeline: list[Document] = [
            {"$match": {"_id": {"$in": list(employees)}, "cause": token}},
            *partner_stages(partners),
            {"$project": {"boots": 1, "seen": 1, "partners": 1}},
        ]
        with reachable():
            rows = await self._presence.aggregate(pipeline).to_list(None)
        return [
            Change(row["_id"], _status(row), row["seen"], tuple(row["partners"])) for row in rows
        ]

    async def begin(self, boot: str, instance: str, lease: float) -> None:
        """Begin the life of `boot`; `lease` in seconds."""
        fields = {"instance": {"$literal": instance}, **_lease(lease)}
        with reachable():
            await self._instances.update_one({"_id": boot}, [{"$set": fields}], upsert=True)

    async def renew(self, boot: str, lease: float) -> bool:
        """False where the lease of `boot` is over already, which nothing can change."""
        alive = {"_id": boot, "$expr": {"$gt": ["$expires_at", "$$NOW"]}}
        with reachable():
            result = await self._instances.update_one(alive, [{"$set": _lease(lease)}])
        return result.matched_count == 1

    async def former(self, instance: str) -> list[Ended]:
        """The boots that an instance of this name had, whether or not their lease is over."""
        return [ended for ended, _ in await self._boots({"instance": instance})]

    async def take_over(self, boots: Sequence[str], heir: str) -> None:
        """Whoever is connected at one of `boots` is so at `heir` instead; end their leases."""
        former = list(boots)
        change = {"boots": {"$setUnion": [{"$setDifference": ["$boots", former]}, [heir]]}}
        with reachable():
            await self._presence.update_many({"boots": {"$in": former}}, [{"$set": change}])
            await self._instances.delete_many({"_id": {"$in": former}})

    async def ended(self) -> list[Ended]:
        """The boots whose lease is over, and those that have no lease and are named in `presence`:
        their processes wrote after their end."""
        with reachable():
            # In this order: a lease is there before anybody is connected under it.
            named = await self._presence.distinct("boots")
        known = await self._boots({})
        strange = {boot for boot in named if boot is not None}  # None stands for "nowhere"
        strange.difference_update(ended.boot for ended, _ in known)
        return [ended for ended, over in known if over] + [Ended(boot, None) for boot in strange]

    async def remove(self, employee: str) -> None:
        """Nothing is known of this employee any more."""
        with reachable():
            await self._presence.delete_one({"_id": employee})

    async def forget(self, boot: str) -> None:
        """Delete the lease of `boot`."""
        with reachable():
            await self._instances.delete_one({"_id": boot})

    async def _boots(self, query: Document) -> list[tuple[Ended, bool]]:
        """Each boot, and whether its lease is over."""
        pipeline: list[Document] = [
            {"$match": query},
            {
                "$project": {
                    "ago": {"$subtract": ["$$NOW", "$alive_at"]},
                    "over": {"$lte": ["$expires_at", "$$NOW"]},
                }
            },
        ]
        with reachable():
            rows = await self._instances.aggregate(pipeline).to_list(None)
        return [(Ended(row["_id"], max(0, row["ago"]) / 1000), row["over"]) for row in rows]

    async def _update(self, updates: list[Document]) -> None:
        """One command for all; it may have been carried out in part where it raises."""
        if not updates:
            return
        with reachable():
            reply = await self._ready().command(
                {
                    "update": "presence",
                    "updates": updates,
                    "ordered": False,
                    "writeConcern": WRITE_CONCERN,
                }
            )
        if "writeConcernError" in reply or "writeErrors" in reply:
            error = reply.get("writeConcernError") or reply["writeErrors"][0]
            raise unavailable(OperationFailure(error.get("errmsg", "not written")))


def _presence(row: Mapping[str, Any]) -> Presence:
    return Presence(row["_id"], _status(row), row["seen"])


def _status(row: Mapping[str, Any]) -> Status:
    return "online" if row["boots"] else "offline"


def _lease(seconds: float) -> Document:
    return {"alive_at": "$$NOW", "expires_at": {"$add": ["$$NOW", round(seconds * 1000)]}}


def _moment(ago: float | None) -> Document | None:
    """A moment by the clock of the database; None is no moment, which `$max` leaves out."""
    return None if ago is None else {"$subtract": ["$$NOW", round(ago * 1000)]}
