"""The conversations that exist, as far as this instance remembers them, and opening new ones.

A conversation is opened once, by the first message between two people. After that nobody asks
again whether they exist.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from cachetools import LRUCache

from chat_service.inbox.store import InboxStore
from chat_service.log import Conversation, with_other
from shared.errors import NotParticipant

KNOWN = 100_000
"""Conversations that an instance remembers; it forgets the least recently used."""

Exists = Callable[[str, str], Awaitable[None]]
"""(email, caller's token): returns if the employee exists, else raises `UnknownEmployee`."""


class Conversations:
    """Finds conversations, and opens those that do not exist yet."""

    def __init__(self, store: InboxStore, exists: Exists) -> None:
        self._store = store
        self._exists = exists
        self._known: LRUCache[tuple[str, str], Conversation] = LRUCache(KNOWN)
        self._by_id: LRUCache[str, Conversation] = LRUCache(KNOWN)

    def known(self, caller: str, address: str) -> Conversation | None:
        """The conversation of `caller` with `address`, if this instance remembers it."""
        return self._known.get((caller, address))

    async def find(self, caller: str, address: str, path: str = "$.to") -> Conversation | None:
        """The conversation of `caller` with `address`; None if there is none.

        Raises `InvalidInput` or `Unavailable`.
        """
        known = self._known.get((caller, address))
        if known is not None:
            return known
        conversation = with_other(caller, address, path)
        known = self._known.get((caller, conversation.other(caller)))
        if known is not None:
            return known
        found = await self._store.exists(conversation.id)
        return self._remember(caller, conversation) if found else None

    async def open(self, caller: str, address: str, token: str, path: str = "$.to") -> Conversation:
        """The conversation of `caller` with `address`, opened if there was none.

        Raises `InvalidInput`, `UnknownEmployee`, or `Unavailable` if the database, or for a first
        contact the auth service, cannot be asked.
        """
        found = await self.find(caller, address, path)
        if found is not None:
            return found
        conversation = with_other(caller, address, path)
        await self._exists(conversation.other(caller), token)
        await self._store.create(conversation, datetime.now(UTC))
        return self._remember(caller, conversation)

    async def get(self, employee: str, id: str) -> Conversation:
        """The conversation `id`. Raises `NotParticipant`, whether or not it exists for others."""
        known = self._by_id.get(id)
        if known is None:
            known = (await self._store.of(employee, [id])).get(id)
        if known is None or employee not in known.participants:
            raise NotParticipant(f"You do not take part in a conversation {id!r}.")
        self._by_id[id] = known
        return known

    def _remember(self, caller: str, conversation: Conversation) -> Conversation:
        # Under the normalised address only: an address can be written in any number of ways.
        self._known[caller, conversation.other(caller)] = conversation
        return conversation
