"""Pages of a conversation's log: what is asked for, and what is found."""

from msgspec import Struct

from chat_service.entries import Entry
from shared.mongo import Document


class PageQuery(Struct, frozen=True, kw_only=True):
    """With `after` the page begins there and goes forward; else it ends at `before`, or at the
    head, and more lies backward. Both exclude themselves."""

    conversation: str
    before: int | None = None
    after: int | None = None
    limit: int
    messages_only: bool = False

    @property
    def direction(self) -> int:
        return -1 if self.after is None else 1

    @property
    def filter(self) -> Document:
        bounds: Document = {}
        if self.after is not None:
            bounds["$gt"] = self.after
        if self.before is not None:
            bounds["$lt"] = self.before
        return (
            {"convo": self.conversation}
            | ({"kind": "message"} if self.messages_only else {})
            | ({"seq": bounds} if bounds else {})
        )


class Page(Struct, frozen=True):
    """Entries, ascending, and whether there is more in the direction that was asked for."""

    entries: list[Entry]
    has_more: bool
