"""A page of a conversation's log: the query, and the result."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from chat_service.log.entries import Entry

_encode = msgspec.json.Encoder().encode


class PageQuery(Struct, frozen=True, kw_only=True):
    """Entries after position `after` and before position `before`, where these are given.

    With `after` the page begins there and goes forward; without it the page ends at `before`, or at
    the head, and goes backward. It has at most `limit` entries. With `text_bytes` its texts have at
    most so many bytes as JSON, except that the first entry is always in it.
    """

    conversation: str
    before: int | None = None
    after: int | None = None
    limit: int
    messages_only: bool = False
    text_bytes: int | None = None


class Page(Struct, frozen=True):
    """Entries, ascending, and whether there are more in the query's direction."""

    entries: list[Entry]
    has_more: bool


def fitting(texts: Iterable[str | None], most: int) -> int:
    """How many of `texts`, from the first on, have at most `most` bytes as JSON (up to six for a
    character); at least 1."""
    count = size = 0
    for text in texts:
        size += len(_encode(text))
        if size > most:
            break
        count += 1
    return max(count, 1)
