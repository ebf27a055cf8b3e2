"""Histories written straight into MongoDB, as the chat service would have left them.

This knows the documents of `convos` and `messages` (chat_service's data); were they to change, the
figures that use it would fail for want of conversations, not measure something else.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import bson
from bson.binary import UUID_SUBTYPE, Binary
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from pymongo.write_concern import WriteConcern

from tests.bench.bare_server import HISTORY_TEXT
from tests.bench.stage import Pair, Stage

BATCH = 2000
WRITERS = 2


def open_conversations(stage: Stage, database: str, pairs: Iterable[Pair], head: int = 0) -> None:
    """Nobody is asked whether these people exist."""
    now = datetime.now(UTC)
    stage.mongo[database]["convos"].insert_many(
        [
            {
                "_id": pair.conversation.id,
                "participants": list(pair.conversation.participants),
                "last_seq": head,
                "markers": [{"received": head, "read": head}, {"received": 0, "read": 0}],
                "created_at": now,
                "updated_at": now,
            }
            for pair in pairs
        ]
    )


def write_histories(stage: Stage, database: str, pairs: Sequence[Pair], messages: int) -> None:
    """`messages` in each of the conversations of `pairs`; quickest before there are indexes."""
    open_conversations(stage, database, pairs, messages)
    collection = stage.mongo[database].get_collection(
        "messages", write_concern=WriteConcern(w=1, j=False)
    )
    shares = [pairs[number::WRITERS] for number in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as writers:
        for done in [writers.submit(_write, collection, share, messages) for share in shares]:
            done.result()


def _write(collection: Collection[Any], pairs: Sequence[Pair], messages: int) -> None:
    documents = _documents(pairs, messages)
    while batch := list(islice(documents, BATCH)):
        collection.insert_many(batch, ordered=False)


def _documents(pairs: Sequence[Pair], messages: int) -> Iterator[RawBSONDocument]:
    """Encoded here: RawBSONDocument spares the driver half of its work."""
    start = datetime.now(UTC).replace(microsecond=123_000) - timedelta(seconds=messages)
    for pair in pairs:
        conversation = pair.conversation.id
        for seq in range(1, messages + 1):
            document = {
                "_id": Binary(os.urandom(16), UUID_SUBTYPE),
                "convo": conversation,
                "seq": seq,
                "kind": "message",
                "sender": pair.sender.email,
                "timestamp": start + timedelta(seconds=seq),
                "text": HISTORY_TEXT.format(number=seq),
            }
            yield RawBSONDocument(bson.encode(document))
