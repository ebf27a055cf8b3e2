"""The message log: append by group commit, read by position. Owns the
collections `messages` and `leases`.

It must never know a socket or the broker. `MessageLog` appends a `Draft` and reports what became
durable; `EntryStore` reads and writes entries; `LogLease` tells of what an instance wrote that was
killed; a `Conversation` is two participants and an id.
"""

from chat_service.log.batcher import Batcher
from chat_service.log.bounds import LogSettings
from chat_service.log.conversation import Conversation, between, with_other
from chat_service.log.entries import (
    EMPTY,
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
from chat_service.log.lease import LogLease
from chat_service.log.lease_store import LeaseStore
from chat_service.log.message_log import MessageLog
from chat_service.log.pages import Page, PageQuery
from chat_service.log.queries import tail_of, tail_stages
from chat_service.log.store import DUPLICATE_KEY, EntryStore

__all__ = [
    "DUPLICATE_KEY",
    "EMPTY",
    "Announcement",
    "Batcher",
    "Committed",
    "Conversation",
    "Draft",
    "Entry",
    "EntryStore",
    "Heads",
    "Kind",
    "LeaseStore",
    "LogLease",
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
