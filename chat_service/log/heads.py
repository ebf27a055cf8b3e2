"""Heads of conversations, as far as this instance remembers them."""

from collections import OrderedDict

from chat_service.log.entries import Head

REMEMBERED_HEADS = 100_000


class Heads:
    """Heads of conversations, as far as this instance knows: guesses that the index corrects."""

    def __init__(self) -> None:
        self._heads: OrderedDict[str, Head] = OrderedDict()

    def get(self, conversation: str) -> Head | None:
        return self._heads.get(conversation)

    def put(self, conversation: str, head: Head) -> None:
        self._heads[conversation] = head
        if len(self._heads) > REMEMBERED_HEADS:
            self._heads.popitem(last=False)

    def observe(self, conversation: str, seq: int, at: int) -> None:
        """Another instance committed this: spare us the collision."""
        known = self._heads.get(conversation)
        if known is not None and known.seq < seq:
            self._heads[conversation] = Head(seq, at)

    def forget(self, conversation: str) -> None:
        self._heads.pop(conversation, None)
