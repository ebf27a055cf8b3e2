"""Heads of conversations, as far as this instance remembers them."""

from cachetools import LRUCache

from chat_service.log.entries import Head

REMEMBERED_HEADS = 100_000
"""Conversations; the least recently used is forgotten first."""


class Heads:
    """The last known heads. They are guesses: the unique index of positions decides."""

    def __init__(self) -> None:
        self._heads: LRUCache[str, Head] = LRUCache(REMEMBERED_HEADS)

    def get(self, conversation: str) -> Head | None:
        return self._heads.get(conversation)

    def put(self, conversation: str, head: Head) -> None:
        self._heads[conversation] = head

    def observe(self, conversation: str, seq: int, at: int) -> None:
        """Another instance committed this entry; its position would collide with our next one.

        A conversation that is not remembered stays so: this instance may never write to it.
        """
        known = self._heads.get(conversation)
        if known is not None and known.seq < seq:
            self._heads[conversation] = Head(seq, at)

    def forget(self, conversation: str) -> None:
        self._heads.pop(conversation, None)
