"""What is to be imported: each conversation with the reference documents that make it up.

Kept in a temporary file of SQLite's, which is gone with the process: a plan needs no memory.
"""

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import bson
from bson import CodecOptions, DatetimeConversion, UuidRepresentation
from msgspec import Struct

from chat_service.log import Conversation

MOST_CONVERSATIONS = 500
MOST_MESSAGES = 20_000

# As the reference is read: an `_id` that comes back as something else would not be found again.
_ANY_ID = CodecOptions[dict[str, Any]](
    tz_aware=True,
    uuid_representation=UuidRepresentation.STANDARD,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)


class Planned(Struct, frozen=True):
    """One conversation and the ids of its reference documents, in the order of these."""

    conversation: Conversation
    sources: tuple[Any, ...]
    messages: int


class Plan:
    def __init__(self) -> None:
        self.messages = 0
        self._sources = sqlite3.connect("")
        self._sources.execute(
            "CREATE TABLE sources (conversation TEXT, one TEXT, other TEXT, id BLOB, messages INT)"
        )

    def add(self, conversation: Conversation, source: Any, messages: int) -> None:
        self._sources.execute(
            "INSERT INTO sources VALUES (?, ?, ?, ?, ?)",
            (conversation.id, *conversation.participants, _stored(source), messages),
        )
        self.messages += messages

    def lots(self) -> Iterator[list[Planned]]:
        """The conversations, some at a time; a large one may exceed `MOST_MESSAGES` alone."""
        lot: list[Planned] = []
        messages = 0
        for planned in self._conversations():
            if lot and (
                len(lot) == MOST_CONVERSATIONS or messages + planned.messages > MOST_MESSAGES
            ):
                yield lot
                lot, messages = [], 0
            lot.append(planned)
            messages += planned.messages
        if lot:
            yield lot

    def close(self) -> None:
        self._sources.close()

    def _conversations(self) -> Iterator[Planned]:
        rows = self._sources.execute("SELECT * FROM sources ORDER BY conversation, rowid")
        for (id, one, other), group in groupby(rows, key=lambda row: row[:3]):
            documents = list(group)
            yield Planned(
                Conversation(id, (one, other)),
                tuple(_restored(document[3]) for document in documents),
                sum(document[4] for document in documents),
            )


def _stored(id: Any) -> bytes:
    return bson.encode({"_id": id}, codec_options=_ANY_ID)


def _restored(id: bytes) -> Any:
    return bson.decode(id, codec_options=_ANY_ID)["_id"]
