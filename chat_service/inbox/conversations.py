"""The conversations that exist, and their summaries. Owns the collection `convos`.

A conversation is opened once, by the first message between two people; after that nobody is asked
again whether they exist. Summaries are derived from the log and written behind it.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from msgspec import Struct
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from chat_service.log import Conversation, between, with_other
from shared.errors import NotParticipant
from shared.mongo import Collection, Database, Document, reachable

KNOWN = 100_000
"""Conversations that an instance remembers to exist."""

Exists = Callable[[str, str], Awaitable[None]]
"""(email, caller's token): returns where the employee exists, else raises `UnknownEmployee`."""


class Marker(Struct, frozen=True):
    """The positions up to which somebody has received, and read."""

    received: int = 0
    read: int = 0


Markers = tuple[Marker, Marker]
"""One for each participant, in their order."""

NO_MARKERS = (Marker(), Marker())


class Summary(Struct):
    """What is derived from a conversation's log: its head, when its newest message was written
    (None where only edits came), and the newest position of each sender, by index."""

    head: int
    updated_at: datetime | None
    sent: dict[int, int]


class Conversations:
    """The conversations that exist."""

    def __init__(self, ready: Callable[[], Database], exists: Exists) -> None:
        """`ready` gives the database, or raises `Unavailable` while its indexes are missing."""
        self._ready = ready
        self._exists = exists
        self._known: OrderedDict[tuple[str, str], Conversation] = OrderedDict()
        self._by_id: OrderedDict[str, Conversation] = OrderedDict()

    @property
    def _convos(self) -> Collection:
        return self._ready()["convos"]

    @staticmethod
    async def prepare(database: Database) -> None:
        """Indexes; repeatable."""
        await database["convos"].create_index(
            [("participants", 1), ("updated_at", -1), ("_id", -1)]
        )

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
        known = self._known.get((caller, conversation.other(caller)))
        if known is not None:
            return known
        with reachable():
            found = await self._convos.find_one({"_id": conversation.id}, {"_id": 1})
        return None if found is None else self._remember(caller, conversation)

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
                        "markers": [{"received": 0, "read": 0}, {"received": 0, "read": 0}],
                        "created_at": now,
                        "updated_at": now,
                    }
                },
                upsert=True,
            )
        return self._remember(caller, conversation)

    async def get(self, employee: str, id: str) -> Conversation:
        """The conversation `id`. Raises `NotParticipant`, whether or not others have it."""
        known = self._by_id.get(id)
        if known is None:
            known = (await self.of(employee, [id])).get(id)
        if known is None or employee not in known.participants:
            raise NotParticipant(f"You do not take part in a conversation {id!r}.")
        self._by_id[id] = known
        if len(self._by_id) > KNOWN:
            self._by_id.popitem(last=False)
        return known

    async def of(self, employee: str, ids: Iterable[str]) -> dict[str, Conversation]:
        """Those of the conversations `ids` that `employee` takes part in, by id."""
        query = {"_id": {"$in": list(ids)}, **of_two(employee)}
        with reachable():
            found = await self._convos.find(query, {"participants": 1}).to_list(None)
        return _by_id(found)

    async def participants(self, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """The participants of each conversation, by id; none for one that is not open."""
        query = {"_id": {"$in": list(ids)}, "participants": {"$size": 2}}
        with reachable():
            found = await self._convos.find(query, {"participants": 1}).to_list(None)
        return {id: conversation.participants for id, conversation in _by_id(found).items()}

    async def newest_of(self, employee: str, limit: int) -> dict[str, Conversation]:
        """The `limit` conversations of `employee` that were written to last, by id."""
        with reachable():
            found = await (
                self._convos.find(of_two(employee), {"participants": 1})
                .sort("updated_at", -1)
                .to_list(limit)
            )
        return _by_id(found)

    async def markers(self, ids: Iterable[str]) -> dict[str, Markers]:
        """The markers of each conversation, by id; none for one that is not open."""
        with reachable():
            found = await self._convos.find({"_id": {"$in": list(ids)}}, {"markers": 1}).to_list(
                None
            )
        return {row["_id"]: markers_of(row) for row in found}

    async def mark(self, marks: Mapping[tuple[str, int], Marker]) -> None:
        """Move markers forward, by (conversation, index of the participant); never back."""
        updates = [
            UpdateOne(
                {"_id": conversation},
                {
                    "$max": {
                        f"markers.{index}.received": marker.received,
                        f"markers.{index}.read": marker.read,
                    }
                },
            )
            for (conversation, index), marker in marks.items()
        ]
        with reachable():
            await self._convos.bulk_write(updates, ordered=False)

    async def summarise(self, summaries: Mapping[str, Summary]) -> None:
        """Move summaries forward, by conversation; one that is further already stays as it is."""
        updates = []
        for conversation, summary in summaries.items():
            forward: Document = {"last_seq": summary.head}
            if summary.updated_at is not None:
                forward["updated_at"] = summary.updated_at
            for index, seq in summary.sent.items():
                forward[f"markers.{index}.received"] = forward[f"markers.{index}.read"] = seq
            updates.append(UpdateOne({"_id": conversation}, {"$max": forward}))
        with reachable():
            await self._convos.bulk_write(updates, ordered=False)

    def _remember(self, caller: str, conversation: Conversation) -> Conversation:
        # Under the normalised address only: an address can be written in any number of ways.
        self._known[caller, conversation.other(caller)] = conversation
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        return conversation


def markers_of(row: Document) -> Markers:
    """The markers in a document of `convos`, in the order of its participants."""
    found: list[dict[str, int]] = row.get("markers") or [{}, {}]
    first, second = found
    return (
        Marker(first.get("received", 0), first.get("read", 0)),
        Marker(second.get("received", 0), second.get("read", 0)),
    )


def of_two(employee: str) -> Document:
    """A query for conversations of `employee`; `conversation_of` tells which are ours."""
    return {"participants": {"$eq": employee, "$size": 2}}


def conversation_of(row: Document) -> Conversation | None:
    """The conversation of a document that `of_two` found, None where it is not one of ours.

    The reference system's `convos` have participants too, and may be in the same collection.
    """
    first, second = row["participants"]
    if not (isinstance(first, str) and isinstance(second, str)):
        return None
    conversation = between(first, second)
    return conversation if conversation.id == row["_id"] else None


def _by_id(rows: Iterable[Document]) -> dict[str, Conversation]:
    found = (conversation_of(row) for row in rows)
    return {conversation.id: conversation for conversation in found if conversation is not None}
