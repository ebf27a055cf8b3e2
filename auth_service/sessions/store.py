"""Sessions in MongoDB: one login on one device, kept alive by refresh tokens.

A refresh token is used once and answered with its successor. The reply can be lost, so the token
stays valid until a successor is first used: the client sends it again and gets another successor.
Anything older can only come from a copy, and nobody can tell which of the two holders is the thief,
so the session is revoked (RFC 9700, section 4.14.2).

A document: `{_id, employee, family, used, issued, created_at, last_used_at, expires_at,
revoked_at, user_agent, address}`. `issued` has the tokens that may be presented next, `used` their
predecessor, `family` the part that all tokens of the session share; each as its SHA-256. A revoked
session also has `reason` and `announced`, and stays until its last access token has expired: until
then, other services must be able to learn of it.
"""

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from msgspec import Struct
from pymongo import ReturnDocument

from auth_service.sessions.refresh_tokens import RefreshToken, digest
from shared.auth_events import RevokedSession
from shared.errors import InvalidCredentials, UnknownSession
from shared.mongo import Collection, Database, Document, Mongo, reachable
from shared.tokens import session_ended

NAME = "sessions"

SUCCESSORS = 8
"""Replies in a row that may be lost, or refreshes that may race, before the first counts as old."""
MAX_USER_AGENT = 256
SLACK = timedelta(seconds=60)
"""A token may be signed this long after its session was read, and clocks may differ."""
MOST_OPEN = 100
"""Sessions of an employee. More of them come from a program that logs in before each request."""
MOST_LISTED = 200
AT_ONCE = 1000
TOLD: Document = {"revoked_at": 1, "expires_at": 1}
"""Fields of a revoked session that other services learn, besides its id."""


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
    """Where a session was opened, as far as the request tells."""

    user_agent: str
    address: str


class Session(Struct, frozen=True):
    """An open session and the refresh token just issued for it; `employee` is an `_id`."""

    sid: str
    employee: Any
    refresh_token: str


class OpenSession(Struct, frozen=True):
    """An open session as its employee sees it."""

    sid: str
    device: Device
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


class Reused(InvalidCredentials):
    """The refresh token was used before, and `session` is now revoked."""

    def __init__(self, session: str, employee: Any) -> None:
        super().__init__(
            "The refresh token was used before, so its session has ended: log in again."
        )
        self.session = session
        self.employee = employee


class Sessions:
    """Every method raises `Unavailable` while the database cannot be reached."""

    def __init__(
        self, mongo: Mongo, *, unused: timedelta, lifetime: timedelta, access_tokens: timedelta
    ) -> None:
        """A session ends when it was not used for `unused`, and after `lifetime` at the latest.
        `access_tokens` is how long those that it issued are valid."""
        self._mongo = mongo
        self._unused = unused
        self._lifetime = lifetime
        self._remembered = access_tokens + SLACK

    @staticmethod
    async def prepare(database: Database) -> None:
        """Create the indexes. Repeatable. MongoDB deletes a session after its `expires_at`."""
        collection = database[NAME]
        await collection.create_index("expires_at", expireAfterSeconds=0)
        # Queries for open sessions skip the revoked ones, which stay for a while.
        await collection.create_index([("employee", 1), ("revoked_at", 1), ("last_used_at", -1)])
        await collection.create_index(
            "revoked_at", partialFilterExpression={"revoked_at": {"$type": "date"}}
        )
        await collection.create_index("announced", partialFilterExpression={"announced": False})

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
        """The session of this token, with the next token.

        One write decides, so replicas may race: if two present the same token both succeed, and
        both successors are valid until one is used. Raises `Reused`, and revokes the session, if
        the token is older; `InvalidCredentials` if it is unknown or its session has ended.
        """
        token = RefreshToken.parse(refresh_token)
        successor = token.successor()
        with reachable():
            document = await self._collection.find_one_and_update(
                {"_id": token.sid, "family": digest(token.family), **_open()},
                self._rotation(digest(token.secret), digest(successor.secret)),
                return_document=ReturnDocument.AFTER,
            )
        if document is None:
            raise InvalidCredentials("The session has ended: log in again.")
        if document["revoked_at"] is not None:
            raise Reused(document["_id"], document["employee"])
        return Session(document["_id"], document["employee"], str(successor))

    async def require_open(self, sid: str) -> None:
        """Raises `Unauthorized` if the session `sid` has ended."""
        with reachable():
            found = await self._collection.find_one({"_id": sid, **_open()}, {"_id": 1})
        if found is None:
            raise session_ended()

    async def of(self, employee: Any) -> list[OpenSession]:
        """The open sessions of an employee, most recently used first, at most `MOST_LISTED`."""
        query = {"employee": employee, **_open()}
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
        """End one session. Raises `UnknownSession` if the employee has no such open session."""
        if await self._revoke({"_id": sid, "employee": employee}, reason) == 0:
            raise UnknownSession("You have no open session with this id.")

    async def revoke_all(self, employee: Any, reason: Reason, *, keep: str | None = None) -> int:
        """End all sessions of an employee but `keep`; returns how many. Repeatable."""
        query: Document = {"employee": employee}
        if keep is not None:
            query["_id"] = {"$ne": keep}
        return await self._revoke(query, reason)

    async def revoke_surplus(self, opened: Session) -> int:
        """End the least recently used sessions if their employee now has more than `MOST_OPEN`;
        returns how many. Repeatable."""
        others = {"employee": opened.employee, "_id": {"$ne": opened.sid}, **_open()}
        with reachable():
            rows = (
                await self._collection.find(others, {"_id": 1})
                .sort("last_used_at", -1)
                .skip(MOST_OPEN - 1)
                .limit(AT_ONCE)
                .to_list(AT_ONCE)
            )
        surplus = [row["_id"] for row in rows]
        return await self._revoke({"_id": {"$in": surplus}}, Reason.SURPLUS) if surplus else 0

    async def revoked(self, since: datetime | None, limit: int) -> list[RevokedSession]:
        """Revoked sessions whose access tokens may still be around, oldest revocation first.

        With `since`, all that were revoked at that time and `limit` of later ones; ties at the
        limit are included. So a caller that asks again with the last `revoked_at` misses none.
        """
        if since is None:
            return await self._revoked({}, limit)
        of_then = await self._revoked({"$eq": since}, None)
        return of_then + await self._revoked({"$gt": since}, limit)

    async def unannounced(self, limit: int) -> list[RevokedSession]:
        with reachable():
            found = self._collection.find({"announced": False}, TOLD).limit(limit)
            rows = await found.to_list(limit)
        return [_revoked(row) for row in rows]

    async def announced(self, sessions: list[RevokedSession]) -> None:
        """Note that other services have been told of these."""
        with reachable():
            await self._collection.update_many(
                {"_id": {"$in": [session.sid for session in sessions]}},
                {"$set": {"announced": True}},
            )

    async def _revoked(self, when: Document, limit: int | None) -> list[RevokedSession]:
        """Those whose `revoked_at` matches `when`, oldest first; ties at `limit` are included."""
        query = {"revoked_at": {"$type": "date", **when}, "expires_at": {"$gt": datetime.now(UTC)}}
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
                {**query, **_open()}, [{"$set": self._revocation(reason)}]
            )
        return result.modified_count

    def _rotation(self, presented: bytes, successor: bytes) -> list[Document]:
        """The update of `refresh`: compares `presented` with the session as it is when written."""
        now = datetime.now(UTC)
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
        """By the database's clock, so that revocations by all replicas are in one order."""
        return {
            "revoked_at": "$$NOW",
            "expires_at": {"$add": ["$$NOW", _milliseconds(self._remembered)]},
            "reason": reason.value,
            "announced": False,
        }

    @property
    def _collection(self) -> Collection:
        return self._mongo.ready_database()[NAME]


def _open() -> Document:
    return {"expires_at": {"$gt": datetime.now(UTC)}, "revoked_at": None}


def _revoked(row: Document) -> RevokedSession:
    return RevokedSession(row["_id"], row["revoked_at"], row["expires_at"])


def _milliseconds(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)
