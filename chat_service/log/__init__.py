"""The message log: append by group commit, read by position. Owns the collection `messages`.

It must never know a socket or the broker. `MessageLog` appends a `Draft` and reports what became
durable; `EntryStore` reads and writes entries; a `Conversation` is two participants and an id.
"""

from chat_service.log.batcher import Batcher
from chat_service.log.conversation import Conversation, between, with_other
from chat_service.log.entries import (
    Announcement,
    Committed,
    Draft,
    Entry,
    Kind,
    Recent,
    Seq,
    Settle,
    joined,
    milliseconds,
)
from chat_service.log.heads import Heads
from chat_service.log.message_log import LogSettings, MessageLog
from chat_service.log.pages import Page, PageQuery
from chat_service.log.queries import tail_of, tail_stages
from chat_service.log.store import DUPLICATE_KEY, EntryStore

__all__ = [
    "DUPLICATE_KEY",
    "Announcement",
    "Batcher",
    "Committed",
    "Conversation",
    "Draft",
    "Entry",
    "EntryStore",
    "Heads",
    "Kind",
    "LogSettings",
    "MessageLog",
    "Page",
    "PageQuery",
    "Recent",
    "Seq",
    "Settle",
    "between",
    "joined",
    "milliseconds",
    "tail_of",
    "tail_stages",
    "with_other",
]
