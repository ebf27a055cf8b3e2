"""An employee's conversations, the most recent first, a page at a time."""

import base64
from datetime import UTC, datetime

import msgspec

from chat_service.inbox.store import InboxStore, Listed, Place
from chat_service.inbox.summaries import Summaries
from chat_service.log import milliseconds
from shared.errors import FieldProblem, InvalidInput
from shared.fair import FairLimit


class ConversationList:
    """Reads pages of conversations, and repairs the summaries that turn out to be behind."""

    def __init__(self, store: InboxStore, summaries: Summaries, reads: FairLimit) -> None:
        """`reads` bounds how many pages are read at once."""
        self._store = store
        self._summaries = summaries
        self._reads = reads

    async def page(
        self, employee: str, before: str | None, limit: int
    ) -> tuple[list[Listed], str | None]:
        """The page after the cursor `before`, and the cursor of the next page, if there is one.

        Raises `InvalidInput` for a cursor that no page gave, or `Unavailable`.
        """
        place = None if before is None else _place(before)
        async with self._reads.turn(employee):
            await self._summaries.write()
            listed, following = await self._store.page(employee, place, limit)
        for one in listed:
            if one.summarised < one.head:
                self._summaries.repair(one.conversation.id, one.head, one.updated_at)
        listed.sort(key=lambda one: one.updated_at, reverse=True)
        return listed, None if following is None else _cursor(following)


def _cursor(place: Place) -> str:
    moment, id = place
    data = msgspec.msgpack.encode((milliseconds(moment), id))
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _place(cursor: str) -> Place:
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        at, id = msgspec.msgpack.decode(data, type=tuple[int, str])
        return datetime.fromtimestamp(at / 1000, UTC), id
    except (ValueError, OverflowError, OSError):
        raise InvalidInput(
            "This is not a cursor of a list of conversations.",
            problems=(FieldProblem("$.before", "expected the `next` of another page"),),
        ) from None
