"""Which MongoDB and which RabbitMQ run-all uses: what answers already, else one of our own."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, ConfigurationError, OperationFailure
from pymongo.uri_parser import parse_uri

from deploy.local.backing import amqp_handshake, compose
from deploy.local.backing.mongodb import MongoServer, mongod_binary
from deploy.local.backing.rabbitmq import RabbitServer, rabbitmq_server_binary
from deploy.local.install import packages
from deploy.local.process.owned import ServerError

ANSWER_TIMEOUT_MS = 3_000
EMBEDDED_URL = "memory://"

NO_REPLICA_SET = """\
The MongoDB at MONGO_URL is no replica set, and editing a message needs transactions, which only
a replica set has. To make it one, start it with `mongod --replSet rs0` (or `replication:
replSetName: rs0` in its configuration) and run `rs.initiate()` in mongosh, once. Or unset
MONGO_URL: a MongoDB of our own is then started here."""


class BackingService(Protocol):
    @property
    def url(self) -> str:
        """Valid after `start`."""

    @property
    def running(self) -> bool: ...

    def start(self) -> None:
        """Returns when it can be used. Raises ServerError."""

    def stop(self) -> object: ...

    def tail(self) -> str:
        """The end of its output."""


class Present:
    """A server that is not ours: used as it is, and left alone."""

    def __init__(self, url: str):
        self.url = url
        self.running = True

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def tail(self) -> str:
        return ""


def choose_mongodb(environ: Mapping[str, str], directory: Path, port: int) -> BackingService:
    """Raises ServerError where MONGO_URL names one that cannot be used, or none can be had."""
    url = environ.get("MONGO_URL", "")
    if url and mongodb_answers(url):
        return Present(url)
    if mongod_binary():
        return MongoServer(directory, port)
    if compose.engine_answers():
        # The member's own address is one inside the container's network.
        return compose.ComposeServer("mongodb", 27017, "mongodb://{address}/?directConnection=true")
    raise ServerError(
        "There is no MongoDB to be had: nothing answers at MONGO_URL, mongod is not on PATH, its"
        " wheel exists for Linux on x86-64 only, and no Docker engine answers."
    )


def choose_rabbitmq(
    environ: Mapping[str, str], directory: Path, port: int, *, may_install: bool | None = None
) -> BackingService:
    """Where none can be had, the embedded broker, which is one process's own."""
    if may_install is None:
        may_install = packages.may_install()
    url = environ.get("AMQP_URL", "")
    if url and (url == EMBEDDED_URL or amqp_handshake.accepts(url)):
        return Present(url)
    if rabbitmq_server_binary() or may_install:
        return RabbitServer(directory, port)
    if compose.engine_answers():
        return compose.ComposeServer("rabbitmq", 5672, "amqp://guest:guest@{address}/")
    return Present(EMBEDDED_URL)


def missing_packages(mongodb: BackingService, rabbitmq: BackingService) -> list[str]:
    """Debian packages that the chosen servers still need."""
    needed = packages.missing_for_mongodb() if isinstance(mongodb, MongoServer) else []
    if isinstance(rabbitmq, RabbitServer):
        needed += packages.missing_for_rabbitmq()
    return needed


def mongodb_answers(url: str) -> bool:
    """False when nobody answers. Raises ServerError for one that answers and cannot be used."""
    try:
        with MongoClient[dict[str, object]](
            url, serverSelectionTimeoutMS=ANSWER_TIMEOUT_MS
        ) as client:
            hello = client.admin.command("hello")
    except ConfigurationError as error:
        raise ServerError(f"MONGO_URL is not valid: {error}") from None
    except OperationFailure as error:
        raise ServerError(f"The MongoDB at MONGO_URL refuses us: {error}") from None
    except AutoReconnect as error:
        # Nobody there, or nobody who is what the address says.
        member = _first_answer(parse_uri(url)["nodelist"])
        if member is None:
            return False
        if "setName" not in member:
            raise ServerError(NO_REPLICA_SET) from None
        raise ServerError(
            f"The MongoDB at MONGO_URL, of the replica set {member['setName']}, cannot be used:"
            f" {error}"
        ) from None
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise ServerError(NO_REPLICA_SET)
    return True


def _first_answer(nodes: Sequence[tuple[str, int | None]]) -> dict[str, object] | None:
    """What the first of these nodes that answers says about itself."""
    for host, port in nodes:
        with (
            contextlib.suppress(AutoReconnect),
            MongoClient[dict[str, object]](
                host, port, directConnection=True, serverSelectionTimeoutMS=ANSWER_TIMEOUT_MS
            ) as client,
        ):
            return client.admin.command("hello")
    return None


def without_password(url: str) -> str:
    """An address that may be shown."""
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":…@") if password else url
