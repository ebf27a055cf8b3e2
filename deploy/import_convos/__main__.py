"""The command line of the import: arguments, connections, and what is said at the end.

Exit status: 0 when everything was taken that can be, skips included; 2 where the arguments are
wrong or a server cannot be used; 130 when interrupted. After the last two, another run goes on.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError, ConfigurationError, InvalidURI, PyMongoError
from tqdm import tqdm

from auth_service.employees import Employees
from chat_service.inbox import InboxStore
from chat_service.log import EntryStore
from deploy.import_convos.history import Limits
from deploy.import_convos.reference import Document
from deploy.import_convos.report import Report
from deploy.import_convos.run import Databases, run

RUN_ALL_URL = "mongodb://127.0.0.1:27117/?replicaSet=rs0"
SENDABLE_TEXT = 4000
"""Characters: the default of the chat service's MAX_TEXT."""
IMPORTED_TEXT = 20_000
"""Characters: a page of 200 such messages is still a reply of a few megabytes."""
DAY_MS = 86_400_000
SYSTEM_DATABASES = {"admin", "config", "local"}


class Unusable(Exception):
    """The import cannot be done like this; the message is for who started it."""


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    started = time.monotonic()
    try:
        with ExitStack() as stack:
            databases = _databases(options, stack)
            report = _report(options.report, stack)
            if not options.dry_run:
                asyncio.run(_prepare(options.mongo_url, databases))
            limits = Limits(
                text=SENDABLE_TEXT,
                imported_text=options.max_text,
                latest=int(time.time() * 1000) + DAY_MS,
            )
            run(databases, limits, report, _progress(stack), dry_run=options.dry_run)
    except Unusable as error:
        return _failed(str(error))
    except PyMongoError as error:
        return _failed(f"MongoDB: {_short(error)}\nNothing is lost: run it again, and it goes on.")
    except KeyboardInterrupt:
        print("Stopped. Run it again, and it goes on.", file=sys.stderr)
        return 130
    print("\n".join(report.summary()))
    done = "This was a dry run: nothing was written." if options.dry_run else "Done."
    print(f"{done} It took {time.monotonic() - started:.1f} s.")
    if options.report:
        print(f"What was skipped, refused or changed is in {options.report}, a line each.")
    else:
        print("--report FILE writes down each document that was skipped, refused or changed.")
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.import_convos",
        description="Import employees and conversations of the reference system. Repeatable: what"
        " is here already is left as it is, and an interrupted import goes on where it stopped.",
    )
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="URL",
        help="the reference database, mongodb://host:port/database",
    )
    parser.add_argument(
        "--mongo-url",
        default=os.environ.get("MONGO_URL") or RUN_ALL_URL,
        metavar="URL",
        help="our MongoDB (default: $MONGO_URL, else the one of make run-all)",
    )
    parser.add_argument("--auth-database", default="messaging_auth", metavar="NAME")
    parser.add_argument("--chat-database", default="messaging_chat", metavar="NAME")
    parser.add_argument(
        "--max-text",
        type=int,
        default=IMPORTED_TEXT,
        metavar="N",
        help="skip messages with more characters (default: %(default)s)",
    )
    parser.add_argument("--dry-run", action="store_true", help="write nothing but the report")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="what was skipped and why, as JSON lines"
    )
    return parser.parse_args(arguments)


def _databases(options: argparse.Namespace, stack: ExitStack) -> Databases:
    """Raises `Unusable` where one does not answer, or is not what it should be."""
    if not options.source:
        raise Unusable("--from is empty: name the reference database, mongodb://host:port/name.")
    reference = stack.enter_context(
        _client(
            "reference",
            options.source,
            unicode_decode_error_handler="replace",
            datetime_conversion="DATETIME_AUTO",
        )
    )
    ours = stack.enter_context(
        _client(
            "target", options.mongo_url, w="majority", journal=True, readConcernLevel="majority"
        )
    )
    hello = _asked("target", ours)
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise Unusable("The target MongoDB is no replica set; the services cannot use it.")
    source = _reference(reference)
    if reference.nodes & ours.nodes and source.name in (
        options.auth_database,
        options.chat_database,
    ):
        raise Unusable("The reference database and the target are the same database.")
    return Databases(source, ours[options.auth_database], ours[options.chat_database])


def _client(role: str, url: str, **settings: Any) -> MongoClient[Document]:
    try:
        return MongoClient(
            url,
            tz_aware=True,
            uuidRepresentation="standard",
            serverSelectionTimeoutMS=5000,
            **settings,
        )
    except (InvalidURI, ConfigurationError, ValueError, TypeError) as error:
        raise Unusable(f"The {role} URL is not valid: {error}") from None


def _asked(role: str, client: MongoClient[Document]) -> Document:
    try:
        return client.admin.command("hello")
    except PyMongoError as error:
        raise Unusable(f"The {role} MongoDB cannot be used: {_short(error)}") from None


def _reference(client: MongoClient[Document]) -> Database[Document]:
    _asked("reference", client)
    try:
        database = client.get_default_database()
    except ConfigurationError:
        found = sorted(set(client.list_database_names()) - SYSTEM_DATABASES)
        raise Unusable(
            "The reference URL names no database: mongodb://host:port/DATABASE."
            f" There are: {', '.join(found) or 'none'}."
        ) from None
    missing = {"employees", "convos"} - set(database.list_collection_names())
    if missing:
        raise Unusable(
            f"The database {database.name} has no collection {' and no '.join(sorted(missing))}:"
            " it is not one of the reference system."
        )
    return database


def _report(path: Path | None, stack: ExitStack) -> Report:
    file: IO[bytes] | None = None
    if path is not None:
        try:
            file = stack.enter_context(path.open("wb"))
        except OSError as error:
            raise Unusable(f"The report cannot be written: {error}") from None
    return Report(file)


async def _prepare(url: str, databases: Databases) -> None:
    """The indexes of both services, made by their own code."""
    client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(url, w="majority")
    try:
        await Employees.prepare(client[databases.auth.name])
        await EntryStore.prepare(client[databases.chat.name])
        await InboxStore.prepare(client[databases.chat.name])
    finally:
        client.close()


def _progress(stack: ExitStack) -> Callable[[int], Callable[[], None]]:
    def start(messages: int) -> Callable[[], None]:
        # disable=None: no bar where nobody watches.
        bar = tqdm(total=messages, unit=" messages", unit_scale=True, disable=None)
        stack.enter_context(bar)

        def passed() -> None:
            bar.update()

        return passed

    return start


def _failed(reason: str) -> int:
    print(f"The import failed. {reason}", file=sys.stderr)
    return 2


def _short(error: Exception) -> str:
    if isinstance(error, BulkWriteError):  # its own text quotes the documents
        failures = error.details["writeErrors"] or error.details["writeConcernErrors"]
        return str(failures[0]["errmsg"])[:300]
    return str(error).split(", Timeout:")[0][:300]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
