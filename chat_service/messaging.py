"""Sending and reading messages, for any transport: what is allowed, and what happens.

It must never know a socket or a request.
"""

import asyncio
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from chat_service.conversation import Conversation
from chat_service.conversations import Conversations
from chat_service.entries import Draft, Entry
from chat_service.entry_store import EntryStore
from chat_service.message_log import MessageLog
from shared.decoding import reject_nul
from shared.errors import FieldProblem, InvalidInput, ServiceError


class Sent(Struct, frozen=True):
    """The durable entry, and whether it was stored before."""

    entry: Entry
    repeated: bool


class Messaging:
    """The rules of sending and reading."""

    def __init__(
        self, conversations: Conversations, log: MessageLog, store: EntryStore, max_text: int
    ) -> None:
        self.conversations = conversations
        self._log = log
        self._store = store
        self._max_text = max_text

    def submit(self, draft: Draft) -> None:
        """Check the text and queue the draft. Raises `InvalidInput` or `Unavailable`."""
        self.check_text(draft.text)
        self._log.submit(draft)

    async def send(
        self,
        conversation: Conversation,
        *,
        id: UUID,
        sender: str,
        text: str,
        sent_at: datetime | None,
    ) -> Sent:
        """Append one message and wait until it is durable. Raises any `ServiceError`."""
        answer: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()

        def settle(_: Draft, outcome: Entry | ServiceError, repeated: bool) -> None:
            if answer.done():
                return
            if isinstance(outcome, ServiceError):
                answer.set_exception(outcome)
            else:
                answer.set_result(Sent(outcome, repeated))

        self._log.submit(Draft(conversation, id, sender, text, sent_at, settle))
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
    ) -> tuple[list[Entry], bool]:
        """A page of the conversation, ascending, and whether there is more that way."""
        return await self._store.page(conversation.id, before=before, after=after, limit=limit)
