"""Writes to `messages`, the entries of every conversation; a write counts once a majority has it
in its journal. Driver types stay in this file.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any
from uuid import UUID

from bson.binary import UUID_SUBTYPE, Binary
from msgspec import Struct, structs
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError, WriteError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from chat_service.log.entries import Entry, Head, Kind
from chat_service.log.queries import EntryQueries, head_stages, heads_of
from shared.errors import MessageDeleted, NotSender, ServiceError, Unavailable, UnknownMessage
from shared.mongo import (
    Blocking,
    Database,
    Document,
    SyncCollection,
    SyncDatabase,
    passes,
    reachable,
    unavailable,
)

WRITE_CONCERN = {"w": "majority", "j": True, "wtimeout": 5000}
DUPLICATE_KEY = 11000
WRITE_CONFLICT = 112


class Uncertain(Exception):
    """The entries may or may not have been stored. `error` is what to answer those who wait."""

    def __init__(self, error: ServiceError) -> None:
        super().__init__(error.detail)
        self.error = error


class Busy(Unavailable):
    """Somebody else keeps writing to the same conversation."""

    def __init__(self) -> None:
        super().__init__("The conversation is busy.", retry_after=1.0)


class Refusal(Enum):
    """Why the first entry that was not inserted was not."""

    ID_TAKEN = auto()
    POSITION_TAKEN = auto()
    INVALID = auto()


class Inserted(Struct, frozen=True):
    """The first `count` entries are durable; `refusal` is why the next one is not, if there is
    one."""

    count: int
    refusal: Refusal | None = None
    reason: str = ""


class Placed(Struct, frozen=True):
    """Entries that were not inserted, by their number; the others are on the primary in `term`."""

    term: object
    refusals: dict[int, Refusal]


class EntryStore(EntryQueries):
    """Reads and writes entries. Every method may raise `Unavailable`.

    `term` is the primary's term of office in the newest reply to a write: an opaque value, None
    where it is not known.
    """

    def __init__(self, ready: Callable[[], Database], write: Blocking, boot: str = "") -> None:
        """`ready` gives the database, or raises `Unavailable` while its indexes are missing.
        `boot` names this life of the instance in what it writes."""
        super().__init__(ready)
        self._write = write
        self._boot = boot
        self.term: object = None

    @staticmethod
    async def prepare(database: Database) -> None:
        """Create the indexes; repeatable."""
        messages = database["messages"]
        await messages.create_index([("convo", 1), ("seq", 1)], unique=True)
        await messages.create_index(
            [("convo", 1), ("message", 1)],
            partialFilterExpression={"message": {"$exists": True}},
        )
        await messages.create_index(
            [("boot", 1), ("timestamp", 1)],
            partialFilterExpression={"boot": {"$exists": True}},
        )

    async def insert(self, entries: Sequence[Entry]) -> Inserted:
        """Insert in order, up to the first entry that is refused. Raises `Uncertain`."""
        reply = await self._command(self._insertion(entries, ordered=True, concern=WRITE_CONCERN))
        errors = reply.get("writeErrors")
        if not errors:
            return Inserted(reply["n"])
        first = errors[0]
        return Inserted(reply["n"], _refusal(first), first.get("errmsg", ""))

    async def place(self, entries: Sequence[Entry]) -> Placed:
        """Insert each that can be on the primary, without waiting for a majority: see `secure`.

        Raises `Uncertain`.
        """
        reply = await self._command(self._insertion(entries, ordered=False, concern={"w": 1}))
        refusals = {error["index"]: _refusal(error) for error in reply.get("writeErrors", ())}
        return Placed(self.term, refusals)

    async def secure(self) -> object:
        """Return once a majority has journaled all that the primary has now, and its term.

        This is what a write that changes nothing waits for. Raises `Uncertain`.
        """
        nothing = {"q": {"_id": 0}, "u": {"$unset": {"text": 1}}}
        await self._command(
            {"update": "messages", "updates": [nothing], "writeConcern": WRITE_CONCERN}
        )
        return self.term

    async def latest_heads(self, conversations: Iterable[str]) -> dict[str, Head]:
        """The heads that the primary has now, which may still be rolled back."""
        ids = list(conversations)

        def read(database: SyncDatabase) -> list[Document]:
            messages = database["messages"].with_options(read_concern=ReadConcern("local"))
            return list(messages.aggregate(head_stages(ids)))

        self._ready()
        with reachable():
            return heads_of(ids, await self._write(read))

    async def amend(self, entry: Entry) -> Entry | Refusal:
        """Insert an edit or a deletion after the head and change the message it names, both or
        neither. Returns the entry with its position, which in `entry` means nothing.

        Raises `UnknownMessage`, `NotSender`, `MessageDeleted` or `Uncertain`.
        """

        def transact(database: SyncDatabase) -> Entry:
            messages = database["messages"]
            with (
                database.client.start_session() as session,
                session.start_transaction(
                    read_concern=ReadConcern("snapshot"),
                    write_concern=WriteConcern(w="majority", j=True, wtimeout=5000),
                ),
            ):
                there = messages.find_one(
                    {"convo": entry.conversation}, sort=[("seq", -1)], session=session
                )
                numbered = entry
                if there is not None:
                    after = max(entry.timestamp, there["timestamp"])
                    numbered = structs.replace(entry, seq=there["seq"] + 1, timestamp=after)
                messages.insert_one(_document(numbered, self._boot), session=session)
                _change_message(messages, numbered, session)
            return numbered

        self._ready()
        try:
            return await self._write(transact)
        except DuplicateKeyError as error:
            refusal = _refusal(error.details or {})
            if refusal is Refusal.POSITION_TAKEN:
                raise Uncertain(Busy()) from error
            return refusal
        except PyMongoError as error:
            # A write conflict, an election or a lost connection: the next attempt finds out.
            if isinstance(error, OperationFailure) and error.code == WRITE_CONFLICT:
                raise Uncertain(Busy()) from error
            raise Uncertain(unavailable(error)) from error

    def _insertion(self, entries: Sequence[Entry], *, ordered: bool, concern: Document) -> Document:
        documents = [_document(entry) for entry in entries]
        if self._boot:
            # For whoever has to tell of these entries if this process does not: see `lease.py`.
            first = documents[0]
            first["boot"] = self._boot
            first["with"] = list({entry.conversation for entry in entries} - {first["convo"]})
        return {
            "insert": "messages",
            "documents": documents,
            "ordered": ordered,
            "writeConcern": concern,
        }

    async def _command(self, command: Document) -> Document:
        """The reply to a write. Raises `Uncertain` where it says that all or part of the write may
        yet be undone, or was not done for now."""
        self._ready()
        try:
            reply = await self._write(lambda database: database.command(command))
        except OperationFailure as error:
            if passes(error):
                raise Uncertain(unavailable(error)) from error
            raise
        except PyMongoError as error:
            raise Uncertain(unavailable(error)) from error
        self.term = reply.get("electionId")
        if "writeConcernError" in reply:
            message = reply["writeConcernError"].get("errmsg", "write concern not met")
            raise Uncertain(unavailable(OperationFailure(message)))
        for refused in reply.get("writeErrors", ()):
            failure = WriteError(refused.get("errmsg", "not written"), refused.get("code"), refused)
            if passes(failure):  # what was written before it may yet be rolled back
                raise Uncertain(unavailable(failure))
        return reply

    async def erase_texts(self, conversation: str, sender: str, deleted_at: datetime) -> None:
        """Delete the text of everything `sender` wrote in this conversation; repeatable.

        This is what a deletion of each message does, but adds no entries: a device keeps showing
        the texts until it reads the history again.
        """
        theirs: Document = {"convo": conversation, "sender": sender}
        written = {**theirs, "kind": "message", "text": {"$exists": True}}
        deletion: Document = {
            "$set": {"deleted_at": deleted_at},
            "$unset": {"text": "", "edited_at": ""},
        }
        with reachable():
            await self._messages.update_many(written, deletion)
            await self._messages.update_many({**theirs, "kind": "edit"}, {"$unset": {"text": ""}})


def _refusal(error: Mapping[str, Any]) -> Refusal:
    if error.get("code") != DUPLICATE_KEY:
        return Refusal.INVALID
    return Refusal.ID_TAKEN if "_id" in error.get("keyPattern", {}) else Refusal.POSITION_TAKEN


def _change_message(messages: SyncCollection, entry: Entry, session: ClientSession) -> None:
    found = {"_id": entry.message, "convo": entry.conversation}
    message = messages.find_one(found, session=session)
    if message is None or message.get("kind", "message") != "message":
        raise UnknownMessage("There is no such message in this conversation.")
    if message["sender"] != entry.sender:
        raise NotSender("Only its sender can change or delete a message.")
    if "deleted_at" in message:
        raise MessageDeleted("The message is deleted.")
    if entry.kind is Kind.EDIT:
        change: Document = {"$set": {"text": entry.text, "edited_at": entry.timestamp}}
    else:
        change = {"$set": {"deleted_at": entry.timestamp}, "$unset": {"text": 1}}
        edits = {"convo": entry.conversation, "message": entry.message, "kind": "edit"}
        messages.update_many(edits, {"$unset": {"text": 1}}, session=session)
    messages.update_one(found, change, session=session)


def _document(entry: Entry, boot: str = "") -> Document:
    document: Document = {
        "_id": _binary(entry.id),
        "convo": entry.conversation,
        "seq": entry.seq,
        "kind": entry.kind.value,
        "sender": entry.sender,
        "timestamp": entry.timestamp,
    }
    if entry.text is not None:
        document["text"] = entry.text
    if entry.message is not None:
        document["message"] = _binary(entry.message)
    if entry.sent_at is not None:
        document["sent_at"] = entry.sent_at
    if boot:
        document["boot"] = boot
    return document


def _binary(id: UUID) -> Binary:
    return Binary(id.bytes, UUID_SUBTYPE)
