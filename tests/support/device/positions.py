"""What a device has of each conversation."""


class Positions:
    """A cursor is the position up to which a device has everything; it stays before a gap. `heads`
    are positions that exist as far as the device was told."""

    def __init__(self) -> None:
        self.cursors: dict[str, int] = {}
        self.heads: dict[str, int] = {}
        self._ahead: dict[str, set[int]] = {}

    def know(self, conversation: str) -> int:
        """The cursor of a conversation, of which there may be nothing yet."""
        return self.cursors.setdefault(conversation, 0)

    def has(self, conversation: str, seq: int) -> bool:
        return seq <= self.cursors.get(conversation, 0) or seq in self._ahead.get(conversation, ())

    def lags(self, conversation: str) -> bool:
        """Whether something is known to be missing."""
        cursor = self.know(conversation)
        return bool(self._ahead.get(conversation)) or self.heads.get(conversation, 0) > cursor

    def add(self, conversation: str, seq: int) -> bool:
        """Note a position. Returns whether everything before it is there."""
        cursor = self.know(conversation)
        ahead = self._ahead.setdefault(conversation, set())
        if seq > cursor:
            ahead.add(seq)
        while cursor + 1 in ahead:
            cursor += 1
            ahead.remove(cursor)
        self.cursors[conversation] = cursor
        return seq <= cursor
