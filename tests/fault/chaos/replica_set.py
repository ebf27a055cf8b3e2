"""A replica set of real members, each of which the others know by the address of its front."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from deploy.local.backing.mongodb import LOOK_EVERY_S, REPLICA_SET, command, mongod_binary
from deploy.local.process.owned import OwnedProcess, ServerError
from deploy.local.process.ports import free_port
from deploy.local.process.server import Server

HOST = "127.0.0.1"
START_SECONDS = 90.0
ELECTION_MILLISECONDS = 4000
ANSWER_MILLISECONDS = 1500


class Member(Server):
    """One mongod. Its data outlives its process."""

    STOP_SECONDS = 30.0

    def __init__(self, name: str, directory: Path) -> None:
        super().__init__()
        self.name = name
        self.directory = directory.absolute()
        self.port = free_port()

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def start(self) -> None:
        """Returns once it answers; as a member of what, the set decides."""
        binary = mongod_binary()
        if binary is None:
            raise ServerError("There is no mongod: see deploy/local/backing/mongodb.py.")
        self.data.mkdir(parents=True, exist_ok=True)
        self._process = OwnedProcess(
            command(binary, self.data, self.port, cache_gb=0.25),
            log=self.directory / "mongod.log",
        )
        deadline = time.monotonic() + START_SECONDS
        while self.hello() is None:
            if not self.running:
                raise ServerError(f"{self.name} ended while starting:\n{self._process.tail()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} did not answer in time")
            time.sleep(LOOK_EVERY_S)

    def hello(self) -> dict[str, Any] | None:
        """What it says about itself; None where it does not answer."""
        try:
            return self.run("hello")
        except PyMongoError:
            return None

    def has(self, database: str, collection: str, query: dict[str, Any]) -> bool:
        """Whether it has such a document, whoever else does. Raises PyMongoError."""
        with self._client() as client:
            found = client.get_database(database, read_concern=ReadConcern("local"))
            return found[collection].find_one(query) is not None

    def run(self, name: str, value: object = 1, **more: Any) -> dict[str, Any]:
        """An administrative command, past its front. Raises PyMongoError."""
        with self._client() as client:
            answer: dict[str, Any] = client.admin.command(name, value, **more)
            return answer

    def _client(self) -> MongoClient[dict[str, Any]]:
        return MongoClient(
            HOST,
            self.port,
            directConnection=True,
            serverSelectionTimeoutMS=ANSWER_MILLISECONDS,
            socketTimeoutMS=4 * ANSWER_MILLISECONDS,
        )


class ReplicaSet:
    """The members, and who is primary."""

    def __init__(self, members: Sequence[Member], addresses: Sequence[str]) -> None:
        self.members = list(members)
        self._addresses = list(addresses)

    @property
    def url(self) -> str:
        return f"mongodb://{','.join(self._addresses)}/?replicaSet={REPLICA_SET}"

    def start(self) -> None:
        """Returns when there is a primary and everybody follows it."""
        for member in self.members:
            member.start()
        config = {
            "_id": REPLICA_SET,
            "members": [
                {"_id": number, "host": address} for number, address in enumerate(self._addresses)
            ],
            "settings": {"electionTimeoutMillis": ELECTION_MILLISECONDS},
        }
        self.members[0].run("replSetInitiate", config)
        deadline = time.monotonic() + START_SECONDS
        while not self.is_whole():
            if time.monotonic() > deadline:
                raise ServerError("the replica set did not become whole in time")
            time.sleep(LOOK_EVERY_S)

    def is_whole(self) -> bool:
        """Whether there is one primary and every other member is a secondary."""
        answers = [member.hello() or {} for member in self.members]
        primaries = sum(bool(answer.get("isWritablePrimary")) for answer in answers)
        return primaries == 1 and all(
            answer.get("isWritablePrimary") or answer.get("secondary") for answer in answers
        )

    def primary(self) -> Member | None:
        """The member that says so of itself, the one with the latest election where two do."""
        found: list[tuple[Any, Member]] = []
        for member in self.members:
            answer = member.hello() or {}
            if answer.get("isWritablePrimary"):
                found.append((answer["electionId"], member))
        return max(found, key=lambda one: one[0])[1] if found else None
