"""Our side of the import: what a conversation holds already, and writing to it.

The unique indexes are what makes writing safe beside a running service or another import.
"""

from array import array
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from pymongo import UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern

from chat_service.log import DUPLICATE_KEY, Conversation
from deploy.import_convos.history import Written
from deploy.import_convos.reference import Document

MOST_WAITING = 2000
MOST_WAITING_CHARACTERS = 4_000_000
IMPORTED_VERSION = 5
"""Of the UUIDs that an import makes; those of clients are random or of the time."""


class Present(Struct):
    """What a conversation holds, in the order of `seq`: 16 bytes an entry."""

    ids: "array[int]"
    contents: "array[int]"

    def holds(self, index: int, entry: Written) -> bool:
        return self.ids[index] == hash(entry.id)

    def same(self, index: int, entry: Written) -> bool:
        return self.contents[index] == hash((entry.sender, entry.text))


class Summary(Struct, frozen=True):
    """The end of a conversation of which all entries are imported."""

    conversation: Conversation
    opened: int
    seq: int
    last: Written


class Target:
    """The chat database; `dry` writes nothing, and conflicts are not met."""

    def __init__(self, database: Database[Document], *, dry: bool) -> None:
        self.conflicts: dict[str, int] = {}
        """How many messages could not be written to a conversation because others are there."""
        self._messages = database["messages"]
        self._convos = database["convos"]
        self._dry = dry
        self._waiting: list[Document] = []
        self._characters = 0
        self._summaries: list[Summary] = []

    def present(self, conversations: Sequence[str]) -> dict[str, Present]:
        """What these conversations hold; those that hold nothing are left out."""
        found: dict[str, Present] = {}
        kept = {"convo": 1, "sender": 1, "text": 1}
        rows = self._messages.find({"convo": {"$in": list(conversations)}}, kept)
        for row in rows.sort([("convo", 1), ("seq", 1)]).batch_size(MOST_WAITING):
            if (present := found.get(row["convo"])) is None:
                present = found[row["convo"]] = Present(array("q"), array("q"))
            present.ids.append(hash(row["_id"]))
            present.contents.append(hash((row.get("sender"), row.get("text"))))
        return found

    def imported(self, conversation: str, seq: int) -> bool:
        """Whether the entry at this position has an id of an import's kind."""
        row = self._messages.find_one({"convo": conversation, "seq": seq}, {"_id": 1})
        return isinstance(id := row and row["_id"], UUID) and id.version == IMPORTED_VERSION

    def append(self, conversation: str, seq: int, entry: Written) -> None:
        """Durable after `flush`, or counted in `conflicts`. The entries of a conversation become
        durable in the order of this call, so that a crash leaves the beginning of its history."""
        if conversation in self.conflicts:
            self.conflicts[conversation] += 1
            return
        self._waiting.append(
            {
                "_id": entry.id,
                "convo": conversation,
                "seq": seq,
                "kind": "message",
                "sender": entry.sender,
                "text": entry.text,
                "timestamp": _datetime(entry.at),
            }
        )
        self._characters += len(entry.text)
        if len(self._waiting) >= MOST_WAITING or self._characters >= MOST_WAITING_CHARACTERS:
            self._write()

    def summarise(self, summary: Summary) -> None:
        """Written by `flush`, after the entries."""
        self._summaries.append(summary)

    def flush(self) -> None:
        self._write()
        updates = [
            update
            for summary in self._summaries
            if summary.conversation.id not in self.conflicts
            for update in _updates(summary)
        ]
        self._summaries.clear()
        if updates and not self._dry:
            self._convos.bulk_write(updates, ordered=True)

    def _write(self) -> None:
        rows, self._waiting, self._characters = self._waiting, [], 0
        while rows and not self._dry:
            try:
                self._messages.insert_many(rows, ordered=True)
            except BulkWriteError as error:
                rows = self._settle(rows, error)
            else:
                return

    def _settle(self, rows: list[Document], error: BulkWriteError) -> list[Document]:
        """What of `rows` is still to be inserted after this."""
        failures: list[dict[str, Any]] = error.details["writeErrors"]
        if not failures or failures[0]["code"] != DUPLICATE_KEY:
            raise error
        failed, rest = rows[failures[0]["index"]], rows[failures[0]["index"] :]
        missing = self._missing(rest)
        if failed not in missing:
            return missing
        conversation = failed["convo"]
        kept = [row for row in missing if row["convo"] != conversation]
        lost = len(missing) - len(kept)
        self.conflicts[conversation] = self.conflicts.get(conversation, 0) + lost
        return kept

    def _missing(self, rows: list[Document]) -> list[Document]:
        """Those of `rows` that another import of the same has not written in the meantime."""
        newest = self._messages.with_options(read_concern=ReadConcern("local"))
        ids = [row["_id"] for row in rows]
        written = {
            (row["_id"], row["convo"], row["seq"])
            for row in newest.find({"_id": {"$in": ids}}, {"convo": 1, "seq": 1})
        }
        return [row for row in rows if (row["_id"], row["convo"], row["seq"]) not in written]


def _updates(summary: Summary) -> list[UpdateOne]:
    """Repeatable, and never backwards: a service may have gone on already."""
    conversation, seq = summary.conversation, summary.seq
    at = _datetime(summary.last.at)
    new = {
        "participants": list(conversation.participants),
        "last_seq": seq,
        "markers": [{"received": seq, "read": seq}, {"received": seq, "read": seq}],
        "created_at": _datetime(summary.opened),
        "updated_at": at,
    }
    forward = {"last_seq": seq, "updated_at": at} | {
        f"markers.{index}.{kind}": seq for index in (0, 1) for kind in ("received", "read")
    }
    id = conversation.id
    return [
        UpdateOne({"_id": id}, {"$setOnInsert": new}, upsert=True),
        UpdateOne({"_id": id, "markers": {"$exists": False}}, {"$set": {"markers": [{}, {}]}}),
        UpdateOne({"_id": id}, {"$max": forward}),
    ]


def _datetime(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
