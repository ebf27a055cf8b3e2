"""Pages of a conversation's log: what is asked for, and what is found."""

from msgspec import Struct

from chat_service.entries import Entry


class PageQuery(Struct, frozen=True, kw_only=True):
    """With `after` the page begins there and goes forward; else it ends at `before`, or at the
    head, and more lies backward. Both exclude themselves."""

    conversation: str
    before: int | None = None
    after: int | None = None
    limit: int
    messages_only: bool = False


class Page(Struct, frozen=True):
    """Entries, ascending, and whether there is more in the direction that was asked for."""

    entries: list[Entry]
    has_more: bool
