"""Writes to `messages`, the entries of every conversation; a write counts once a majority has it
in its journal. Driver types stay in this file.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any
from uuid import UUID

from bson.binary import UUID_SUBTYPE, Binary
from motor.motor_asyncio import AsyncIOMotorClientSession
from msgspec import Struct
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError, WriteError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from chat_service.log.entries import Entry, Kind
from chat_service.log.queries import EntryQueries
from shared.errors import MessageDeleted, NotSender, ServiceError, Unavailable, UnknownMessage
from shared.mongo import Database, Document, passes, reachable, unavailable

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


class EntryStore(EntryQueries):
    """Reads and writes entries. Every method may raise `Unavailable`."""

    @staticmethod
    async def prepare(database: Database) -> None:
        """Create the indexes; repeatable."""
        messages = database["messages"]
        await messages.create_index([("convo", 1), ("seq", 1)], unique=True)
        await messages.create_index(
            [("convo", 1), ("message", 1)],
            partialFilterExpression={"message": {"$exists": True}},
        )

    async def insert(self, entries: Sequence[Entry]) -> Inserted:
        """Insert in order, up to the first entry that is refused. Raises `Uncertain`."""
        command: Document = {
            "insert": "messages",
            "documents": [_document(entry) for entry in entries],
            "ordered": True,
            "writeConcern": WRITE_CONCERN,
        }
        try:
            reply = await self._ready().command(command)
        except OperationFailure as error:
            if passes(error):
                raise Uncertain(unavailable(error)) from error
            raise
        except PyMongoError as error:
            raise Uncertain(unavailable(error)) from error
        if "writeConcernError" in reply:
            message = reply["writeConcernError"].get("errmsg", "write concern not met")
            raise Uncertain(unavailable(OperationFailure(message)))
        errors = reply.get("writeErrors")
        if not errors:
            return Inserted(reply["n"])
        first = errors[0]
        failure = WriteError(first.get("errmsg", "not written"), first.get("code"), first)
        if passes(failure):  # the entries before it may yet be rolled back
            raise Uncertain(unavailable(failure))
        return Inserted(reply["n"], _refusal(first), first.get("errmsg", ""))

    async def amend(self, entry: Entry) -> Inserted:
        """Insert an edit or a deletion and change the message it names, both or neither.

        Raises `UnknownMessage`, `NotSender`, `MessageDeleted` or `Uncertain`.
        """
        client = self._ready().client
        try:
            async with (
                await client.start_session() as session,
                session.start_transaction(
                    read_concern=ReadConcern("snapshot"),
                    write_concern=WriteConcern(w="majority", j=True, wtimeout=5000),
                ),
            ):
                await self._messages.insert_one(_document(entry), session=session)
                await self._change_message(entry, session)
        except DuplicateKeyError as error:
            return Inserted(0, _refusal(error.details or {}), str(error))
        except PyMongoError as error:
            # A write conflict, an election or a lost connection: the next attempt finds out.
            if isinstance(error, OperationFailure) and error.code == WRITE_CONFLICT:
                raise Uncertain(Busy()) from error
            raise Uncertain(unavailable(error)) from error
        return Inserted(1)

    async def _change_message(self, entry: Entry, session: AsyncIOMotorClientSession) -> None:
        found = {"_id": entry.message, "convo": entry.conversation}
        message = await self._messages.find_one(found, session=session)
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
            await self._messages.update_many(edits, {"$unset": {"text": 1}}, session=session)
        await self._messages.update_one(found, change, session=session)

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


def _document(entry: Entry) -> Document:
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
    return document


def _binary(id: UUID) -> Binary:
    return Binary(id.bytes, UUID_SUBTYPE)
