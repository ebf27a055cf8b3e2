"""Stores who is connected where (`presence`) and which instances are alive (`instances`).

A boot is one run of an instance, under a random id. It is alive until its lease expires, and an
expired lease cannot be renewed: an instance whose lease has expired goes on as another boot. All
times are the database's own (`$$NOW`), so the clocks of instances do not matter. Driver types stay
in this file.

`presence` has one document per employee: `boots`, where they are connected (they are online while
there is one), `seen`, and `cause`. A status changes in one atomic update, which leaves the caller's
token as the `cause`. So exactly one instance learns that it made the change and has to announce it,
and it announces nothing that another instance has changed since.
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

BATCH = 500
"""Employees to give to one `arrived` or `departed`, each of which is one command."""
WRITE_CONCERN = {"w": "majority", "wtimeout": 5000}


class Presence(Struct, frozen=True):
    """`last_seen` is when an online employee came online or when an offline one was last connected;
    it is null for one who never was. It never decreases: of two reports the later one holds."""

    employee: str
    status: Status
    last_seen: Time | None


class Change(Struct, frozen=True):
    """A status to announce, and the partners of the employee's most recent conversations."""

    employee: str
    status: Status
    last_seen: datetime
    partners: tuple[str, ...]


class Boot(Struct, frozen=True):
    """`ago`: how many seconds ago its lease was last renewed; None if it has no lease."""

    id: str
    ago: float | None


class PresenceStore:
    """Reads and writes both collections. Every method may raise `Unavailable`."""

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
        """Create the indexes. May be repeated."""
        await database["presence"].create_index("boots")

    async def of(self, employees: Sequence[str]) -> list[Presence]:
        """The presence of each, in their order."""
        with reachable():
            rows = await self._presence.find({"_id": {"$in": list(employees)}}).to_list(None)
        found = {row["_id"]: Presence(row["_id"], _status(row), row["seen"]) for row in rows}
        return [
            found.get(employee) or Presence(employee, "offline", None) for employee in employees
        ]

    async def arrived(self, boot: str, employees: Iterable[str], token: str) -> None:
        """Store that these are connected at `boot`. May have stored some of it where it raises, and
        may be repeated."""
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
        """Store that these are not connected at `boot` any more, and how many seconds `ago` they
        left, None where it is unknown. May have stored some of it where it raises, and may be
        repeated."""
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
        """The employees who are connected at `boot`, as far as it was written."""
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
        """Create `boot` with a lease of `lease` seconds."""
        fields = {"instance": {"$literal": instance}, **_lease(lease)}
        with reachable():
            await self._instances.update_one({"_id": boot}, [{"$set": fields}], upsert=True)

    async def renew(self, boot: str, lease: float) -> bool:
        """Let the lease of `boot` expire in `lease` seconds. False if it has expired already."""
        alive = {"_id": boot, "$expr": {"$gt": ["$expires_at", "$$NOW"]}}
        with reachable():
            result = await self._instances.update_one(alive, [{"$set": _lease(lease)}])
        return result.matched_count == 1

    async def former(self, instance: str) -> list[Boot]:
        """The boots of the instances of this name, alive or not."""
        return [boot for boot, _ in await self._boots({"instance": instance})]

    async def take_over(self, boots: Sequence[str], heir: str) -> None:
        """Whoever is connected at one of `boots` becomes connected at `heir`, in which nobody's
        status changes. Delete `boots`."""
        former = list(boots)
        change = {"boots": {"$setUnion": [{"$setDifference": ["$boots", former]}, [heir]]}}
        with reachable():
            await self._presence.update_many({"boots": {"$in": former}}, [{"$set": change}])
            await self._instances.delete_many({"_id": {"$in": former}})

    async def ended(self) -> list[Boot]:
        """The boots whose lease has expired, and those that somebody is connected at although they
        have no lease: their processes wrote after they were forgotten."""
        with reachable():
            # In this order: a boot has its lease before anybody is connected at it.
            ids = await self._presence.distinct("boots")
        known = await self._boots({})
        unknown = {one for one in ids if one is not None}  # None stands for "nowhere"
        unknown.difference_update(boot.id for boot, _ in known)
        return [boot for boot, expired in known if expired] + [Boot(one, None) for one in unknown]

    async def remove(self, employee: str) -> None:
        """Delete what is known of this employee."""
        with reachable():
            await self._presence.delete_one({"_id": employee})

    async def forget(self, boot: str) -> None:
        """Delete `boot`."""
        with reachable():
            await self._instances.delete_one({"_id": boot})

    async def _boots(self, query: Document) -> list[tuple[Boot, bool]]:
        """Each boot, and whether its lease has expired."""
        pipeline: list[Document] = [
            {"$match": query},
            {
                "$project": {
                    "ago": {"$subtract": ["$$NOW", "$alive_at"]},
                    "expired": {"$lte": ["$expires_at", "$$NOW"]},
                }
            },
        ]
        with reachable():
            rows = await self._instances.aggregate(pipeline).to_list(None)
        return [(Boot(row["_id"], max(0, row["ago"]) / 1000), row["expired"]) for row in rows]

    async def _update(self, updates: list[Document]) -> None:
        """Run all in one command."""
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


def _status(row: Mapping[str, Any]) -> Status:
    return "online" if row["boots"] else "offline"


def _lease(seconds: float) -> Document:
    return {"alive_at": "$$NOW", "expires_at": {"$add": ["$$NOW", round(seconds * 1000)]}}


def _moment(ago: float | None) -> Document | None:
    """So many seconds ago by the database's clock; None becomes null, which `$max` ignores."""
    return None if ago is None else {"$subtract": ["$$NOW", round(ago * 1000)]}
