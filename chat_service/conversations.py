"""The conversations that exist, and their summaries. Owns the collection `convos`.

A conversation is opened once, by the first message between two people; after that nobody is asked
again whether they exist. Summaries are derived from the log and written behind it.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime

from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from chat_service.conversation import Conversation, with_other
from chat_service.entries import Entry
from shared.mongo import Collection, Database, reachable

KNOWN = 100_000
"""Conversations that an instance remembers to exist."""

Exists = Callable[[str, str], Awaitable[None]]
"""(email, caller's token): returns where the employee exists, else raises `UnknownEmployee`."""


class Conversations:
    """The conversations that exist."""

    def __init__(self, ready: Callable[[], Database], exists: Exists) -> None:
        """`ready` gives the database, or raises `Unavailable` while its indexes are missing."""
        self._ready = ready
        self._exists = exists
        self._known: OrderedDict[tuple[str, str], Conversation] = OrderedDict()

    @property
    def _convos(self) -> Collection:
        return self._ready()["convos"]

    @staticmethod
    async def prepare(database: Database) -> None:
        """Indexes; repeatable."""
        await database["convos"].create_index([("participants", 1), ("updated_at", -1)])

    def known(self, caller: str, address: str) -> Conversation | None:
        """The open conversation of `caller` with `address`, where this instance has met it."""
        return self._known.get((caller, address))

    async def find(self, caller: str, address: str, path: str = "$.to") -> Conversation | None:
        """The open conversation of `caller` with `address`, None where there is none.

        Raises `InvalidInput` or `Unavailable`.
        """
        known = self._known.get((caller, address))
        if known is not None:
            return known
        conversation = with_other(caller, address, path)
        with reachable():
            found = await self._convos.find_one({"_id": conversation.id}, {"_id": 1})
        return None if found is None else self._remember(caller, address, conversation)

    async def open(self, caller: str, address: str, token: str, path: str = "$.to") -> Conversation:
        """The conversation of `caller` with `address`, opened where there was none.

        Raises `InvalidInput`, `UnknownEmployee`, or `Unavailable` where the database, or for a
        first contact the auth service, cannot be asked.
        """
        found = await self.find(caller, address, path)
        if found is not None:
            return found
        conversation = with_other(caller, address, path)
        await self._exists(conversation.other(caller), token)
        now = datetime.now(UTC)
        # A duplicate: another instance opened it in the same moment.
        with reachable(), suppress(DuplicateKeyError):
            await self._convos.update_one(
                {"_id": conversation.id},
                {
                    "$setOnInsert": {
                        "participants": list(conversation.participants),
                        "last_seq": 0,
                        "created_at": now,
                        "updated_at": now,
                    }
                },
                upsert=True,
            )
        return self._remember(caller, address, conversation)

    async def of(self, employee: str, ids: Iterable[str]) -> dict[str, Conversation]:
        """Those of the conversations `ids` that `employee` takes part in, by id."""
        query = {"_id": {"$in": list(ids)}, "participants": employee}
        with reachable():
            found = await self._convos.find(query, {"participants": 1}).to_list(None)
        return {row["_id"]: Conversation(row["_id"], tuple(row["participants"])) for row in found}

    async def newest_of(self, employee: str, limit: int) -> dict[str, Conversation]:
        """The `limit` conversations of `employee` that were written to last, by id."""
        with reachable():
            found = await (
                self._convos.find({"participants": employee}, {"participants": 1})
                .sort("updated_at", -1)
                .to_list(limit)
            )
        return {row["_id"]: Conversation(row["_id"], tuple(row["participants"])) for row in found}

    async def summarise(self, newest: Iterable[Entry]) -> None:
        """Bring summaries up to these entries; one that is further already stays as it is."""
        updates = [
            UpdateOne(
                {"_id": entry.conversation, "last_seq": {"$lt": entry.seq}},
                {
                    "$set": {
                        "last_seq": entry.seq,
                        "last_message": {
                            "id": entry.id,
                            "seq": entry.seq,
                            "sender": entry.sender,
                            "text": entry.text,
                            "timestamp": entry.timestamp,
                        },
                        "updated_at": entry.timestamp,
                    }
                },
            )
            for entry in newest
        ]
        with reachable():
            await self._convos.bulk_write(updates, ordered=False)

    def _remember(self, caller: str, address: str, conversation: Conversation) -> Conversation:
        self._known[caller, address] = conversation
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        return conversation
