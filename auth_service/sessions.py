"""Sessions: one log-in on one device, kept alive by refresh tokens. Owns the collection `sessions`.

A refresh token is used once and answered with its successor. The reply can be lost, so the token
stays valid until a successor is first used; the client sends it again and gets another successor.
Whatever is older than that can only come from a copy, and nobody can tell which of the two holders
is the thief: the session is revoked (RFC 9700, section 4.14.2).

A document: `{_id, employee, family, used, issued, created_at, last_used_at, expires_at,
revoked_at, user_agent, address}`. `issued` has the tokens that may be presented next, `used` the
one that they succeeded, `family` the part that all tokens of a session share; each only as its
SHA-256, which is enough for 256 (family: 128) random bits.
"""

import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import Binary
from motor.motor_asyncio import AsyncIOMotorCollection
from msgspec import Struct
from pymongo import ReturnDocument

from shared.errors import InvalidCredentials
from shared.mongo import Database, Document, Mongo, reachable

NAME = "sessions"

SUCCESSORS = 8
"""How many replies in a row may be lost, or refreshes race, before the earliest counts as old."""
SID_BYTES, FAMILY_BYTES, SECRET_BYTES = 16, 16, 32
MAX_USER_AGENT = 256


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


class Reused(InvalidCredentials):
    """The refresh token was used before; `session` is revoked. Clients need no other code."""

    def __init__(self, session: str) -> None:
        super().__init__("The refresh token was used before, so its session ended: log in again.")
        self.session = session


class Sessions:
    """Every method raises `Unavailable` while the database cannot be reached."""

    def __init__(self, mongo: Mongo, *, unused: timedelta, revoked: timedelta) -> None:
        """A session ends when it is not used for the time `unused`. A revoked one is kept for the
        time `revoked`, while access tokens that it issued may still be around."""
        self._mongo = mongo
        self._unused = unused
        self._revoked = revoked

    async def open(self, employee: Any, device: Device) -> Session:
        sid, family, secret = _random(SID_BYTES), _random(FAMILY_BYTES), _random(SECRET_BYTES)
        now = datetime.now(UTC)
        document: Document = {
            "_id": sid.hex(),
            "employee": employee,
            "family": _digest(family),
            "used": None,
            "issued": [_digest(secret)],
            "created_at": now,
            "last_used_at": now,
            "expires_at": now + self._unused,
            "revoked_at": None,
            "user_agent": device.user_agent[:MAX_USER_AGENT],
            "address": device.address,
        }
        with reachable():
            await self._collection.insert_one(document)
        return Session(sid.hex(), employee, _token(sid, family, secret))

    async def refresh(self, refresh_token: str) -> Session:
        """The session of this token, with a new one.

        Decided by one write, so replicas may race. Two that race with the same token both succeed,
        and each of their tokens is valid until one of them is used. Raises `Reused` and revokes
        the session where the token is older than that, and `InvalidCredentials` where it is none,
        or its session has ended.
        """
        sid, family, secret = _parts(refresh_token)
        presented, successor = _digest(secret), _random(SECRET_BYTES)
        now = datetime.now(UTC)
        with reachable():
            document = await self._collection.find_one_and_update(
                {
                    "_id": sid.hex(),
                    "family": _digest(family),
                    "expires_at": {"$gt": now},
                    "revoked_at": None,
                },
                self._rotation(presented, _digest(successor), now),
                return_document=ReturnDocument.AFTER,
            )
        if document is None:
            raise InvalidCredentials("The session has ended: log in again.")
        if document["revoked_at"] is not None:
            raise Reused(document["_id"])
        return Session(document["_id"], document["employee"], _token(sid, family, successor))

    def _rotation(self, presented: Binary, successor: Binary, now: datetime) -> list[Document]:
        """An update that compares `presented` with the session as it is at that very moment."""
        alive: Document = {"last_used_at": now, "expires_at": now + self._unused}
        first_use = {"used": presented, "issued": [successor]} | alive
        again = {
            "issued": {"$slice": [{"$concatArrays": ["$issued", [successor]]}, -SUCCESSORS]}
        } | alive
        reuse: Document = {"revoked_at": now, "expires_at": now + self._revoked}
        decision = {
            "$switch": {
                "branches": [
                    {"case": {"$in": [presented, "$issued"]}, "then": first_use},
                    {"case": {"$eq": [presented, "$used"]}, "then": again},
                ],
                "default": reuse,
            }
        }
        return [{"$replaceWith": {"$mergeObjects": ["$$ROOT", decision]}}]

    @property
    def _collection(self) -> AsyncIOMotorCollection[Document]:
        return self._mongo.ready_database()[NAME]


async def prepare(database: Database) -> None:
    """MongoDB removes a session when its `expires_at` has passed."""
    await database[NAME].create_index("expires_at", expireAfterSeconds=0)


def _token(sid: bytes, family: bytes, secret: bytes) -> str:
    """base64url of the id, the family, and 256 random bits. The family is what makes the difference
    between an old token, which revokes, and a session's id with noise, which must not: ids are in
    every access token, and knowing one must not be enough to end a session."""
    return urlsafe_b64encode(sid + family + secret).decode().rstrip("=")


def _parts(token: str) -> tuple[bytes, bytes, bytes]:
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        raw = b""
    if len(raw) != SID_BYTES + FAMILY_BYTES + SECRET_BYTES:
        raise InvalidCredentials("This is no refresh token.")
    secret_at = SID_BYTES + FAMILY_BYTES
    return raw[:SID_BYTES], raw[SID_BYTES:secret_at], raw[secret_at:]


def _digest(part: bytes) -> Binary:
    return Binary(hashlib.sha256(part).digest())


def _random(size: int) -> bytes:
    return secrets.token_bytes(size)
