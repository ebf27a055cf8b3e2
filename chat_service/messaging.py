"""Sending, changing and reading messages, for any transport: what is allowed, and what happens.

It must never know a socket or a request.
"""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from chat_service.inbox import NO_MARKERS, Conversations, InboxStore, Markers
from chat_service.log import (
    Batcher,
    Conversation,
    Draft,
    Entry,
    EntryStore,
    Kind,
    MessageLog,
    Page,
    PageQuery,
)
from shared.decoding import reject_nul
from shared.errors import FieldProblem, InvalidInput, ServiceError

PAGES_AT_ONCE = 16
"""Pages in one command. What of them is above MongoDB's 16 MiB comes in further replies."""
PAGE_BYTES = 524_288
"""Of a page's texts as JSON: what a reply has that nobody reads, until its peer is cut off."""


class Sent(Struct, frozen=True):
    """The durable entry, and whether it was stored before."""

    entry: Entry
    repeated: bool


class History(Struct, frozen=True):
    """Messages in their present state, ascending, and whether there is more that way. `head` is a
    position up to which a reader has everything once it has this page and all before it."""

    messages: list[Entry]
    has_more: bool
    head: int
    markers: Markers


class Messaging:
    """The rules of sending and reading."""

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
        """Check the text and queue the draft. Raises `InvalidInput` or `Unavailable`."""
        if draft.kind is not Kind.DELETE:
            self.check_text(draft.text or "", path)
        self._log.submit(draft)

    async def append(self, draft: Draft, path: str = "$.text") -> Sent:
        """Queue a draft and wait until it is durable; its `settle` is replaced.

        Raises any `ServiceError`.
        """
        answer: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()

        def settle(_: Draft, outcome: Entry | ServiceError, repeated: bool) -> None:
            if answer.done():
                return
            if isinstance(outcome, ServiceError):
                answer.set_exception(outcome)
            else:
                answer.set_result(Sent(outcome, repeated))

        draft.settle = settle
        self.submit(draft, path)
        return await answer

    def check_text(self, text: str, path: str = "$.text") -> None:
        """Raises `InvalidInput` where `text` is empty, too long, or has a NUL."""
        if not text.strip():
            raise InvalidInput(
                "A message needs some text.", problems=(FieldProblem(path, "is empty"),)
            )
        if len(text) > self._max_text:
            raise InvalidInput(
                f"A message has at most {self._max_text} characters.",
                problems=(FieldProblem(path, f"has {len(text)} characters"),),
            )
        reject_nul(text, path)

    async def history(
        self, conversation: Conversation, *, before: int | None, after: int | None, limit: int
    ) -> History:
        """A page of the conversation; at its cost, the history's length does not matter."""
        known = self._log.heads.get(conversation.id)
        page, markers = await self._pages.ask(
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
        head = max(last, known.seq) if ends_at_head and known is not None else last
        return History(page.entries, page.has_more, head, markers)

    async def _read(self, queries: Sequence[PageQuery]) -> list[tuple[Page, Markers]]:
        pages, markers = await asyncio.gather(
            self._entries.pages(queries),
            self._inbox.markers({query.conversation for query in queries}),
        )
        return [
            (page, markers.get(query.conversation, NO_MARKERS))
            for query, page in zip(queries, pages, strict=True)
        ]
