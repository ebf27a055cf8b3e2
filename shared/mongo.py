"""The connection to MongoDB: waits for the server, reports its health, translates its failures."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import MongoClient
from pymongo import collection as pymongo_collection
from pymongo import database as pymongo_database
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError
from pymongo.monitoring import (
    TopologyClosedEvent,
    TopologyDescriptionChangedEvent,
    TopologyListener,
    TopologyOpenedEvent,
)

from shared.errors import Unavailable
from shared.observability.logs import get_logger
from shared.tasks import back_off

log = get_logger("mongodb")

Document = dict[str, Any]
Database = AsyncIOMotorDatabase[Document]
Collection = AsyncIOMotorCollection[Document]
SyncDatabase = pymongo_database.Database[Document]
SyncCollection = pymongo_collection.Collection[Document]
Prepare = Callable[[Database], Awaitable[None]]
T = TypeVar("T")

THREADS = 16
"""For blocking calls of one process that are under way at once."""

PASSING = frozenset(
    {
        6,  # HostUnreachable
        7,  # HostNotFound
        24,  # LockTimeout
        50,  # MaxTimeMSExpired
        64,  # WriteConcernFailed
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        112,  # WriteConflict
        134,  # ReadConcernMajorityNotAvailableYet
        189,  # PrimarySteppedDown
        262,  # ExceededTimeLimit
        9001,  # SocketException
        10058,  # LegacyNotPrimary
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11601,  # Interrupted
        11602,  # InterruptedDueToReplStateChange
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
    }
)
"""Codes of errors that say nothing about the command, only that the server cannot do it now.

A code stands in the error of a command, or of one of its writes (`writeErrors`). In the second case
the command itself counts as successful, and carries no error label."""


OPTIONS: dict[str, Any] = {
    "tz_aware": True,
    "uuidRepresentation": "standard",
    "serverSelectionTimeoutMS": 3000,
    "connectTimeoutMS": 3000,
    "socketTimeoutMS": 10_000,
    "heartbeatFrequencyMS": 2000,
    "w": "majority",
    "journal": True,
    "readConcernLevel": "majority",
}


class NoReplicaSet(Exception):
    """The server stands alone: it has no transactions and no majority."""


class Blocking:
    """Runs blocking calls on a database, by a client and threads of their own: whatever else the
    process asks of MongoDB cannot keep them waiting."""

    def __init__(self, client: "MongoClient[Document]", database: str) -> None:
        self._client = client
        self._database: SyncDatabase = client[database]
        self._threads = ThreadPoolExecutor(THREADS, "mongodb")

    async def __call__(self, call: Callable[[SyncDatabase], T]) -> T:
        """What `call` returns. Raises what it raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, call, self._database)

    def close(self) -> None:
        """What is under way fails."""
        self._client.close()
        self._threads.shutdown(wait=False)


class Mongo:
    """One database. Motor reads it; `blocking` is for writes that must not wait behind reads.

    `run` connects, checks that the server belongs to a replica set, and calls `prepare` (indexes,
    migrations; must be repeatable) until all of it has worked. From then on the driver reconnects
    by itself.
    """

    def __init__(self, url: str, database: str, prepare: Prepare) -> None:
        self._elections = _Elections()
        self.client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
            url, event_listeners=[self._elections], **OPTIONS
        )
        self.database: Database = self.client[database]
        self.blocking = Blocking(MongoClient(url, connect=False, **OPTIONS), database)
        self._prepare = prepare
        self._waiting_for: str | None = "not connected yet"

    async def run(self, on_election: Callable[[], object] | None = None) -> None:
        """Return once the database is ready for use; cancel it to give up.

        From this call on, even after `run` has returned, `on_election` is called in this event loop
        each time another server becomes the primary.
        """
        if on_election is not None:
            loop = asyncio.get_running_loop()
            self._elections.tell = lambda: loop.call_soon_threadsafe(on_election)
        attempt = 0
        while True:
            try:
                await self._connect()
            except (PyMongoError, NoReplicaSet) as error:
                self._waiting_for = _short(error)
                if attempt % 10 == 0:
                    log.warning("waiting for MongoDB", reason=self._waiting_for)
                await back_off(attempt)
                attempt += 1
            else:
                self._waiting_for = None
                log.info("MongoDB is ready", database=self.database.name)
                return

    def ready_database(self) -> Database:
        """The database with its indexes. Raises `Unavailable` at once until `run` has returned:
        without its unique indexes nothing may be stored."""
        if self._waiting_for is not None:
            raise Unavailable("The database is not ready yet.", retry_after=1.0)
        return self.database

    async def check(self) -> str | None:
        """For readiness: None if a primary answers, else the reason."""
        if self._waiting_for is not None:
            return self._waiting_for
        try:
            await self.database.command("ping")
        except PyMongoError as error:
            return _short(error)
        return None

    async def server_time(self) -> datetime:
        """The server's clock, in milliseconds. Raises `Unavailable`."""
        with reachable():
            hello = await self.client.admin.command("hello")
        moment: datetime = hello["localTime"]
        return moment.replace(tzinfo=UTC)

    def close(self) -> None:
        self.client.close()
        self.blocking.close()

    async def _connect(self) -> None:
        hello = await self.client.admin.command("hello")
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise NoReplicaSet(
                "this MongoDB is not a replica set, and edits need transactions: start mongod with"
                " --replSet rs0 and run rs.initiate() once in mongosh (one member is enough)"
            )
        await self._prepare(self.database)


class _Elections(TopologyListener):
    """Learns of elections, in the driver's threads."""

    def __init__(self) -> None:
        self.tell: Callable[[], object] = lambda: None
        self._primary: tuple[object, object] | None = None

    def opened(self, event: TopologyOpenedEvent) -> None:
        pass

    def description_changed(self, event: TopologyDescriptionChangedEvent) -> None:
        for address, server in event.new_description.server_descriptions().items():
            # One server may be elected twice in a row, with another in between that nobody saw.
            elected = (address, server.election_id)
            if server.server_type_name != "RSPrimary" or elected == self._primary:
                continue
            known, self._primary = self._primary, elected
            if known is not None:
                log.warning("MongoDB has another primary")
                with suppress(RuntimeError):  # the event loop has ended
                    self.tell()

    def closed(self, event: TopologyClosedEvent) -> None:
        pass


@contextmanager
def reachable() -> Iterator[None]:
    """Raise `Unavailable` if the server cannot do it now; other errors pass through."""
    try:
        yield
    except PyMongoError as error:
        if passes(error):
            raise unavailable(error) from error
        raise


def passes(error: PyMongoError) -> bool:
    """Whether another attempt may succeed. All or part of this one may have been carried out."""
    if isinstance(error, ConnectionFailure):
        return True
    if any(map(error.has_error_label, ("RetryableWriteError", "TransientTransactionError"))):
        return True
    if isinstance(error, BulkWriteError):
        details = error.details
        failures = [*details["writeErrors"], *details["writeConcernErrors"]]
        return any(failure.get("code") in PASSING for failure in failures)
    return isinstance(error, OperationFailure) and error.code in PASSING


def unavailable(error: Exception) -> Unavailable:
    """Log the failure and return what the client is told."""
    log.warning("MongoDB is unavailable", reason=_short(error))
    return Unavailable("The database cannot be reached; nothing was acknowledged.", retry_after=1.0)


def _short(error: Exception) -> str:
    return str(error).split(", Timeout:")[0][:300]
