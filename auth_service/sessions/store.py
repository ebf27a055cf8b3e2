"""Sessions: one log-in on one device, kept alive by refresh tokens. Owns the collection `sessions`.

A refresh token is used once and answered with its successor. The reply can be lost, so the token
stays valid until a successor is first used; the client sends it again and gets another successor.
Whatever is older than that can only come from a copy, and nobody can tell which of the two holders
is the thief: the session is revoked (RFC 9700, section 4.14.2).

A document: `{_id, employee, family, used, issued, created_at, last_used_at, expires_at,
revoked_at, user_agent, address}`. `issued` has the tokens that may be presented next, `used` the
one that they succeeded, `family` the part that all tokens of a session share; each only as its
SHA-256. One that was revoked has `reason` and `announced` too: it stays until nobody can hold an
access token of it any more, so that everybody can be told.
"""

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from bson import Binary
from msgspec import Struct
from pymongo import ReturnDocument

from auth_service.sessions.refresh_tokens import RefreshToken, digest
from shared.auth_events import RevokedSession
from shared.errors import InvalidCredentials, Unauthorized, UnknownSession
from shared.mongo import Collection, Database, Document, Mongo, reachable

NAME = "sessions"

SUCCESSORS = 8
"""How many replies in a row may be lost, or refreshes race, before the earliest counts as old."""
MAX_USER_AGENT = 256
SLACK = timedelta(seconds=60)
"""A token may be signed this long after its session was last looked at, and clocks may differ."""
MOST_OPEN = 100
"""Sessions of an employee; what is more comes of a program that logs in for each thing it does."""
MOST_LISTED = 200
AT_ONCE = 1000


TOLD: Document = {"revoked_at": 1, "expires_at": 1}
"""What others are told of a revoked session, besides its id."""


class Reason(Enum):
    """Why a session was revoked."""

    LOGOUT = "logout"
    LOGOUT_ALL = "logout_all"
    ENDED = "ended from another session"
    SURPLUS = "too many sessions"
    REUSE = "reuse of a refresh token"
    PASSWORD = "password change"
    DELETION = "account deletion"


class Device(Struct, frozen=True):
    """From where a session was opened, as far as the request tells."""

    user_agent: str
    address: str


class Session(Struct, frozen=True):
    """An open session with the one refresh token that was just issued for it; `employee` is the
    employee's `_id`."""

    sid: str
    employee: Any
    refresh_token: str


class OpenSession(Struct, frozen=True):
    """An open session, as its employee may see it."""

    sid: str
    device: Device
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


class Reused(InvalidCredentials):
    """The refresh token was used before; `session` is revoked. Clients need no other code."""

    def __init__(self, session: str, employee: Any) -> None:
        super().__init__("The refresh token was used before, so its session ended: log in again.")
        self.session = session
        self.employee = employee


class Sessions:
    """Every method raises `Unavailable` while the database cannot be reached."""

    def __init__(
        self, mongo: Mongo, *, unused: timedelta, lifetime: timedelta, access_tokens: timedelta
    ) -> None:
        """A session ends when it is not used for the time `unused`, and after `lifetime` at the
        latest. A revoked one is kept while the `access_tokens` that it issued may be around."""
        self._mongo = mongo
        self._unused = unused
        self._lifetime = lifetime
        self._remembered = access_tokens + SLACK

    async def open(self, employee: Any, device: Device) -> Session:
        token = RefreshToken.first()
        now = datetime.now(UTC)
        document: Document = {
            "_id": token.sid,
            "employee": employee,
            "family": digest(token.family),
            "used": None,
            "issued": [digest(token.secret)],
            "created_at": now,
            "last_used_at": now,
            "expires_at": now + min(self._unused, self._lifetime),
            "revoked_at": None,
            "user_agent": device.user_agent[:MAX_USER_AGENT],
            "address": device.address,
        }
        with reachable():
            await self._collection.insert_one(document)
        return Session(token.sid, employee, str(token))

    async def refresh(self, refresh_token: str) -> Session:
        """The session of this token, with a new one.

        Decided by one write, so replicas may race. Two that race with the same token both succeed,
        and each of their tokens is valid until one of them is used. Raises `Reused` and revokes
        the session where the token is older than that, and `InvalidCredentials` where it is none,
        or its session has ended.
        """
        token = RefreshToken.parse(refresh_token)
        successor = token.successor()
        now = datetime.now(UTC)
        with reachable():
            document = await self._collection.find_one_and_update(
                {"_id": token.sid, "family": digest(token.family), **_open(now)},
                self._rotation(digest(token.secret), digest(successor.secret), now),
                return_document=ReturnDocument.AFTER,
            )
        if document is None:
            raise InvalidCredentials("The session has ended: log in again.")
        if document["revoked_at"] is not None:
            raise Reused(document["_id"], document["employee"])
        return Session(document["_id"], document["employee"], str(successor))

    async def require_open(self, sid: str) -> None:
        """Raises `Unauthorized` where the session `sid` has ended."""
        with reachable():
            found = await self._collection.find_one(
                {"_id": sid, **_open(datetime.now(UTC))}, {"_id": 1}
            )
        if found is None:
            raise Unauthorized("The session of this access token has ended: log in again.")

    async def of(self, employee: Any) -> list[OpenSession]:
        """The open sessions of an employee, the last used first, at most `MOST_LISTED`."""
        query = {"employee": employee, **_open(datetime.now(UTC))}
        with reachable():
            found = self._collection.find(query).sort("last_used_at", -1).limit(MOST_LISTED)
            rows = await found.to_list(MOST_LISTED)
        return [
            OpenSession(
                sid=row["_id"],
                device=Device(row["user_agent"], row["address"]),
                created_at=row["created_at"],
                last_used_at=row["last_used_at"],
                expires_at=row["expires_at"],
            )
            for row in rows
        ]

    async def revoke(self, employee: Any, sid: str, reason: Reason) -> None:
        """End one session of an employee. Raises `UnknownSession` where they have no such one
        that is open."""
        if await self._revoke({"_id": sid, "employee": employee}, reason) == 0:
            raise UnknownSession("You have no open session of this id.")

    async def revoke_all(self, employee: Any, reason: Reason, *, keep: str | None = None) -> int:
        """End all sessions of an employee but `keep`; returns how many were open. Repeatable."""
        query: Document = {"employee": employee}
        if keep is not None:
            query["_id"] = {"$ne": keep}
        return await self._revoke(query, reason)

    async def revoke_surplus(self, opened: Session) -> int:
        """End the sessions of an employee that were not used for longest, where there are more than
        `MOST_OPEN` with the one that was just opened; returns how many. Repeatable."""
        others = {
            "employee": opened.employee,
            "_id": {"$ne": opened.sid},
            **_open(datetime.now(UTC)),
        }
        with reachable():
            rows = (
                await self._collection.find(others, {"_id": 1})
                .sort("last_used_at", -1)
                .skip(MOST_OPEN - 1)
                .limit(AT_ONCE)
                .to_list(AT_ONCE)
            )
        if not rows:
            return 0
        return await self._revoke({"_id": {"$in": [row["_id"] for row in rows]}}, Reason.SURPLUS)

    async def revoked(self, since: datetime | None, limit: int) -> list[RevokedSession]:
        """Sessions that were revoked (at `since` or later), and of which access tokens may still be
        around, in the order of their revocation: all of `since`, and `limit` or more of later.

        All that were revoked at the time of the last one are there, so whoever asks again with this
        time misses none, and has it all where nothing is later.
        """
        if since is None:
            return await self._revoked({}, limit)
        of_then = await self._revoked({"$eq": since}, None)
        return of_then + await self._revoked({"$gt": since}, limit)

    async def unannounced(self, limit: int) -> list[RevokedSession]:
        """Revoked sessions that nobody has been told of."""
        with reachable():
            found = self._collection.find({"announced": False}, TOLD).limit(limit)
            rows = await found.to_list(limit)
        return [_revoked(row) for row in rows]

    async def announced(self, sessions: list[RevokedSession]) -> None:
        """Everybody has been told of these."""
        with reachable():
            await self._collection.update_many(
                {"_id": {"$in": [session.sid for session in sessions]}},
                {"$set": {"announced": True}},
            )

    async def _revoked(self, when: Document, limit: int | None) -> list[RevokedSession]:
        """Those of which `revoked_at` is such; beyond `limit` only those of the last one's time."""
        query = {
            "revoked_at": {"$type": "date", **when},
            "expires_at": {"$gt": datetime.now(UTC)},
        }
        with reachable():
            found = self._collection.find(query, TOLD).sort("revoked_at", 1).limit(limit or 0)
            rows = await found.to_list(limit)
        revoked = [_revoked(row) for row in rows]
        if limit is None or len(revoked) < limit:
            return revoked
        last = revoked[-1].revoked_at
        before = [session for session in revoked if session.revoked_at < last]
        return before + await self._revoked({"$eq": last}, None)

    async def _revoke(self, query: Document, reason: Reason) -> int:
        with reachable():
            result = await self._collection.update_many(
                {**query, **_open(datetime.now(UTC))}, [{"$set": self._revocation(reason)}]
            )
        return result.modified_count

    def _rotation(self, presented: Binary, successor: Binary, now: datetime) -> list[Document]:
        """An update that compares `presented` with the session as it is at that very moment."""
        end = {"$add": ["$created_at", _milliseconds(self._lifetime)]}
        alive: Document = {
            "last_used_at": now,
            "expires_at": {"$min": [now + self._unused, end]},
        }
        first_use = {"used": presented, "issued": [successor]} | alive
        again = {
            "issued": {"$slice": [{"$concatArrays": ["$issued", [successor]]}, -SUCCESSORS]}
        } | alive
        decision = {
            "$switch": {
                "branches": [
                    {"case": {"$in": [presented, "$issued"]}, "then": first_use},
                    {"case": {"$eq": [presented, "$used"]}, "then": again},
                ],
                "default": self._revocation(Reason.REUSE),
            }
        }
        return [{"$replaceWith": {"$mergeObjects": ["$$ROOT", decision]}}]

    def _revocation(self, reason: Reason) -> Document:
        """By the clock of the database, so that revocations of all replicas are in one order."""
        return {
            "revoked_at": "$$NOW",
            "expires_at": {"$add": ["$$NOW", _milliseconds(self._remembered)]},
            "reason": reason.value,
            "announced": False,
        }

    @property
    def _collection(self) -> Collection:
        return self._mongo.ready_database()[NAME]


async def prepare(database: Database) -> None:
    """Indexes; repeatable. MongoDB removes a session when its `expires_at` has passed."""
    collection = database[NAME]
    await collection.create_index("expires_at", expireAfterSeconds=0)
    # Those that were revoked stay for a while, and nobody who looks for open ones reads them.
    await collection.create_index([("employee", 1), ("revoked_at", 1), ("last_used_at", -1)])
    await collection.create_index(
        "revoked_at", partialFilterExpression={"revoked_at": {"$type": "date"}}
    )
    await collection.create_index("announced", partialFilterExpression={"announced": False})


def _open(now: datetime) -> Document:
    return {"expires_at": {"$gt": now}, "revoked_at": None}


def _revoked(row: Document) -> RevokedSession:
    return RevokedSession(row["_id"], row["revoked_at"], row["expires_at"])


def _milliseconds(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)
