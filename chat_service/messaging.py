"""Sending, changing and reading messages, for any transport: what is allowed, and what happens.

It must never know a socket or a request.
"""

import asyncio

from msgspec import Struct

from chat_service.conversation import Conversation
from chat_service.conversations import Conversations
from chat_service.entries import Draft, Entry, Kind
from chat_service.entry_store import EntryStore
from chat_service.message_log import MessageLog
from shared.decoding import reject_nul
from shared.errors import FieldProblem, InvalidInput, ServiceError


class Sent(Struct, frozen=True):
    """The durable entry, and whether it was stored before."""

    entry: Entry
    repeated: bool


class Page(Struct, frozen=True):
    """Messages in their present state, ascending, and whether there is more that way. `head` is a
    position up to which a reader has everything once it has this page and all before it."""

    messages: list[Entry]
    has_more: bool
    head: int


class Messaging:
    """The rules of sending and reading."""

    def __init__(
        self, conversations: Conversations, log: MessageLog, store: EntryStore, max_text: int
    ) -> None:
        self.conversations = conversations
        self._log = log
        self._store = store
        self._max_text = max_text

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
    ) -> Page:
        """A page of the conversation; at its cost, the history's length does not matter."""
        known = self._log.heads.get(conversation.id)
        messages, has_more = await self._store.page(
            conversation.id, before=before, after=after, limit=limit, messages_only=True
        )
        last = messages[-1].seq if messages else 0
        ends_at_head = before is None and not (after is not None and has_more)
        head = max(last, known.seq) if ends_at_head and known is not None else last
        return Page(messages, has_more, head)
