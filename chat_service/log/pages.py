"""Pages of a conversation's log: what is asked for, and what is found."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from chat_service.log.entries import Entry

_encode = msgspec.json.Encoder().encode


class PageQuery(Struct, frozen=True, kw_only=True):
    """With `after` the page begins there and goes forward; else it ends at `before`, or at the
    head, and more lies backward. Both exclude themselves. With `text_bytes` it ends before its
    texts have more, as JSON, but not before its first entry."""

    conversation: str
    before: int | None = None
    after: int | None = None
    limit: int
    messages_only: bool = False
    text_bytes: int | None = None


class Page(Struct, frozen=True):
    """Entries, ascending, and whether there is more in the direction that was asked for."""

    entries: list[Entry]
    has_more: bool


def fitting(texts: Iterable[str | None], most: int) -> int:
    """How many of `texts`, from the first on, have at most `most` bytes as JSON, which is up to six
    for a character; at least 1."""
    count = size = 0
    for text in texts:
        size += len(_encode(text))
        if size > most:
            break
        count += 1
    return max(count, 1)
