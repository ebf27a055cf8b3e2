"""The connection to MongoDB: waits for its server, says what is missing, maps its failures."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError
from pymongo.monitoring import (
    TopologyClosedEvent,
    TopologyDescriptionChangedEvent,
    TopologyListener,
    TopologyOpenedEvent,
)

from shared.errors import Unavailable
from shared.observability.logs import get_logger

log = get_logger("mongodb")

Document = dict[str, Any]
Database = AsyncIOMotorDatabase[Document]
Collection = AsyncIOMotorCollection[Document]
Prepare = Callable[[Database], Awaitable[None]]

RETRY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)
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
"""Codes of errors that say nothing of what was asked, only that the server could not do it now.
They are in the error of a whole command, or of one write of it (`writeErrors`) where the command
as a whole counts as carried out: then no error label says so."""


class NoReplicaSet(Exception):
    """The server runs alone: no transactions, no majority."""


class Mongo:
    """One database on one client.

    `run` connects, checks that the server is part of a replica set, and calls `prepare` (indexes,
    migrations; repeatable) until all of it worked. After that the driver heals by itself.
    """

    def __init__(self, url: str, database: str, prepare: Prepare) -> None:
        self._elections = _Elections()
        self.client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
            url,
            event_listeners=[self._elections],
            tz_aware=True,
            uuidRepresentation="standard",
            serverSelectionTimeoutMS=3000,
            connectTimeoutMS=3000,
            socketTimeoutMS=10_000,
            heartbeatFrequencyMS=2000,
            w="majority",
            journal=True,
            readConcernLevel="majority",
        )
        self.database: Database = self.client[database]
        self._prepare = prepare
        self._waiting_for: str | None = "not connected yet"

    async def run(self) -> None:
        """Returns once the database is ready for use; cancel it to give up."""
        attempt = 0
        while True:
            try:
                await self._connect()
            except (PyMongoError, NoReplicaSet) as error:
                self._waiting_for = _short(error)
                if attempt % 10 == 0:
                    log.warning("waiting for MongoDB", reason=self._waiting_for)
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
            else:
                self._waiting_for = None
                log.info("MongoDB is ready", database=self.database.name)
                return

    def watch(self, elected: Callable[[], None]) -> None:
        """From now on call `elected`, in this event loop, when another server than before is the
        primary."""
        loop = asyncio.get_running_loop()
        self._elections.tell = lambda: loop.call_soon_threadsafe(elected)

    def ready_database(self) -> Database:
        """The database with its indexes. Raises `Unavailable` at once while `run` is not through:
        before that nothing keeps unique what has to be."""
        if self._waiting_for is not None:
            raise Unavailable("The database is not ready yet.", retry_after=1.0)
        return self.database

    async def check(self) -> str | None:
        """For readiness: None when a primary answers."""
        if self._waiting_for is not None:
            return self._waiting_for
        try:
            await self.database.command("ping")
        except PyMongoError as error:
            return _short(error)
        return None

    def close(self) -> None:
        self.client.close()

    async def _connect(self) -> None:
        hello = await self.client.admin.command("hello")
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise NoReplicaSet(
                "this MongoDB is no replica set, and edits need transactions: start mongod with"
                " --replSet rs0 and run rs.initiate() once in mongosh (one member is enough)"
            )
        await self._prepare(self.database)


class _Elections(TopologyListener):
    """Hears of elections, in the driver's threads."""

    def __init__(self) -> None:
        self.tell: Callable[[], object] = lambda: None
        self._primary: tuple[str, int | None] | None = None

    def opened(self, event: TopologyOpenedEvent) -> None:
        pass

    def description_changed(self, event: TopologyDescriptionChangedEvent) -> None:
        for address, server in event.new_description.server_descriptions().items():
            if server.server_type_name != "RSPrimary" or address == self._primary:
                continue
            known, self._primary = self._primary, address
            if known is not None:
                log.warning("MongoDB has another primary")
                with suppress(RuntimeError):  # the event loop has ended
                    self.tell()

    def closed(self, event: TopologyClosedEvent) -> None:
        pass


@contextmanager
def reachable() -> Iterator[None]:
    """Turn "the database could not do it now" into `Unavailable`; other errors pass."""
    try:
        yield
    except PyMongoError as error:
        if passes(error):
            raise unavailable(error) from error
        raise


def passes(error: PyMongoError) -> bool:
    """Whether another try may succeed; this one may have been carried out, or a part of it."""
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
    log.warning("MongoDB is unavailable", reason=_short(error))
    return Unavailable("The database cannot be reached; nothing was acknowledged.", retry_after=1.0)


def _short(error: Exception) -> str:
    return str(error).split(", Timeout:")[0][:300]
