"""Use cases for any transport: send, change and read messages.

It must never know a socket or a request.
"""

import asyncio
from collections.abc import Callable, Sequence

from msgspec import Struct

from chat_service.inbox import NO_MARKERS, Conversations, InboxStore, Markers
from chat_service.log import (
    EMPTY,
    Batcher,
    Conversation,
    Draft,
    Entry,
    EntryStore,
    Kind,
    MessageLog,
    Page,
    PageQuery,
    Settle,
)
from shared.errors import FieldProblem, InvalidInput, ServiceError
from shared.text import check_text

PAGES_AT_ONCE = 16
"""Pages in one command. A result above MongoDB's 16 MiB comes in several replies."""
PAGE_BYTES = 524_288
"""The most that a page's texts have as JSON, because a reply stays in memory until its peer reads
it or is cut off."""


class Sent(Struct, frozen=True):
    """The durable entry; `repeated` if it was stored before."""

    entry: Entry
    repeated: bool


class History(Struct, frozen=True):
    """Messages in their present state, ascending, and whether there are more in the direction asked
    for. A reader that has this page and everything before it has everything up to `head`."""

    messages: list[Entry]
    has_more: bool
    head: int
    markers: Markers


class Messaging:
    """Applies the rules, then calls the log and the stores."""

    def __init__(
        self,
        conversations: Conversations,
        inbox: InboxStore,
        log: MessageLog,
        entries: EntryStore,
        max_text: int,
    ) -> None:
        self.conversations = conversations
        self._inbox = inbox
        self._log = log
        self._entries = entries
        self._max_text = max_text
        self._pages = Batcher(self._read, most=PAGES_AT_ONCE)

    def submit(self, draft: Draft, path: str = "$.text") -> None:
        """Check the text and queue the draft; `path` names the text in an error.

        Raises `InvalidInput` or `Unavailable`.
        """
        if draft.kind is not Kind.DELETE:
            self.check_text(draft.text or "", path)
        self._log.submit(draft)

    async def append(self, draft: Callable[[Settle], Draft], path: str = "$.text") -> Sent:
        """Queue the draft made with the given `settle`, and wait until it is durable.

        Raises what `submit` raises, and the error that refused the draft.
        """
        answer: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()

        def settle(_: Draft, outcome: Entry | ServiceError, repeated: bool) -> None:
            if answer.done():
                return
            if isinstance(outcome, ServiceError):
                answer.set_exception(outcome)
            else:
                answer.set_result(Sent(outcome, repeated))

        self.submit(draft(settle), path)
        return await answer

    def check_text(self, text: str, path: str = "$.text") -> None:
        """Raises `InvalidInput` if `text` is too long, or not what `shared.text` allows."""
        if len(text) > self._max_text:
            raise InvalidInput(
                f"A message has at most {self._max_text} characters.",
                problems=(FieldProblem(path, f"has {len(text)} characters"),),
            )
        check_text(text, path)

    async def history(
        self, conversation: Conversation, *, before: int | None, after: int | None, limit: int
    ) -> History:
        """A page of the conversation's messages. The cost does not depend on the log's length."""
        page, markers, newest = await self._pages.ask(
            PageQuery(
                conversation=conversation.id,
                before=before,
                after=after,
                limit=limit,
                messages_only=True,
                text_bytes=PAGE_BYTES,
            )
        )
        last = page.entries[-1].seq if page.entries else 0
        ends_at_head = before is None and not (after is not None and page.has_more)
        head = max(last, newest) if ends_at_head else last
        return History(page.entries, page.has_more, head, markers)

    async def _read(self, queries: Sequence[PageQuery]) -> list[tuple[Page, Markers, int]]:
        """Each page, with the markers and the head of its conversation. The head is read before
        the page, so that everything up to it is in a page that ends there."""
        newest = {query.conversation for query in queries if query.before is None}
        heads = await self._entries.heads(newest) if newest else {}
        pages, markers = await asyncio.gather(
            self._entries.pages(queries),
            self._inbox.markers({query.conversation for query in queries}),
        )
        return [
            (
                page,
                markers.get(query.conversation, NO_MARKERS),
                heads.get(query.conversation, EMPTY).seq,
            )
            for query, page in zip(queries, pages, strict=True)
        ]
