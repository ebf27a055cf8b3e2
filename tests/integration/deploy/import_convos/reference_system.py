"""A reference system's database to import from, and what an import of it makes."""

import asyncio
import json
import subprocess
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from bson import ObjectId
from msgspec import Struct
from pymongo import MongoClient
from pymongo.database import Database

from auth_service.employees import Employees
from auth_service.outbox import Deletions
from chat_service.log.conversation import between
from deploy import ROOT
from deploy.import_convos.__main__ import main
from shared.auth_events import DeletedEmployee
from shared.mongo import Mongo

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HASH = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"

Document = dict[str, Any]


class Result(Struct, frozen=True):
    """How an import ended."""

    output: str
    report: list[Document]

    def reasons(self, subject: str, outcome: str = "skipped") -> list[tuple[str, int | None]]:
        """(reason, position) of the report's lines."""
        return [
            (line["reason"], line.get("position"))
            for line in self.report
            if (line["subject"], line["outcome"]) == (subject, outcome)
        ]


class ReferenceSystem:
    """A reference database, and ours that it is imported into; all of them empty at first."""

    def __init__(self, client: MongoClient[Document], url: str, folder: Path) -> None:
        tag = uuid4().hex
        self.auth: Database[Document] = client[f"auth_{tag}"]
        self.chat: Database[Document] = client[f"chat_{tag}"]
        self.source: Database[Document] = client[f"reference_{tag}"]
        for name in ("employees", "convos"):
            self.source.create_collection(name)
        self.client = client
        self._url = url
        self._report = folder / "report.jsonl"

    @property
    def source_url(self) -> str:
        return self._url.replace("/?", f"/{self.source.name}?")

    def employee(self, email: object, **fields: Any) -> Any:
        """A new reference employee; returns the `_id`."""
        document: Document = {"_id": ObjectId(), "name": "Somebody", "email": email}
        document |= {"department": "sales", "role": "clerk", "password": HASH} | fields
        self.source["employees"].insert_one(document)
        return document["_id"]

    def people(self, *names: str) -> list[str]:
        """Employees; returns their addresses."""
        for name in names:
            self.employee(f"{name}@example.org")
        return [f"{name}@example.org" for name in names]

    def convo(self, participants: object, messages: object, **fields: Any) -> Any:
        document = {"_id": ObjectId(), "participants": participants, "messages": messages}
        self.source["convos"].insert_one(document | fields)
        return (document | fields)["_id"]

    def extend(self, convo: Any, *messages: Document) -> None:
        self.source["convos"].update_one(
            {"_id": convo}, {"$push": {"messages": {"$each": list(messages)}}}
        )

    def arguments(self, *more: str) -> list[str]:
        return [
            *("--from", self.source_url),
            *("--mongo-url", self._url),
            *("--auth-database", self.auth.name),
            *("--chat-database", self.chat.name),
            *("--report", str(self._report)),
            *more,
        ]

    def start(self) -> subprocess.Popen[bytes]:
        """An import in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.import_convos", *self.arguments()],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )

    def run(self, *more: str) -> Result:
        """An import that has to succeed."""
        output = StringIO()
        with redirect_stdout(output):
            assert main(self.arguments(*more)) == 0
        lines = self._report.read_text().splitlines()
        return Result(output.getvalue(), [json.loads(line) for line in lines])

    def leave(self, email: str) -> None:
        """The employee with this address, if there is one, deletes their account."""
        asyncio.run(self._leave(email))

    async def _leave(self, email: str) -> None:
        mongo = Mongo(self._url, self.auth.name, Employees.prepare)
        try:
            await mongo.run()
            gone = DeletedEmployee("", email, datetime.now(UTC))
            await Deletions(mongo).add(gone)
            await Deletions(mongo).announced(gone)
            people = Employees(mongo)
            if (employee := await people.find(email)) is not None:
                await people.remove(employee.key)
        finally:
            mongo.close()

    def log(self, one: str, other: str) -> list[Document]:
        """Our entries of a conversation, by `seq`."""
        return list(self.chat["messages"].find({"convo": between(one, other).id}).sort("seq", 1))

    def texts(self, one: str, other: str) -> list[str]:
        log = self.log(one, other)
        assert [entry["seq"] for entry in log] == list(range(1, len(log) + 1))
        return [entry["text"] for entry in log]

    def summary(self, one: str, other: str) -> Document | None:
        return self.chat["convos"].find_one({"_id": between(one, other).id})

    def everything(self) -> list[list[Document]]:
        """All that is in our databases."""
        collections = self.auth["employees"], self.chat["convos"], self.chat["messages"]
        return [list(collection.find().sort("_id", 1)) for collection in collections]

    def forget(self) -> None:
        """Empty our databases."""
        self.client.drop_database(self.auth.name)
        self.client.drop_database(self.chat.name)

    def drop(self) -> None:
        self.forget()
        self.client.drop_database(self.source.name)


def message(sender: object, text: object, timestamp: object = None) -> Document:
    """A reference message; without a timestamp where that is None."""
    document = {"sender": sender, "text": text}
    return document if timestamp is None else document | {"timestamp": timestamp}
