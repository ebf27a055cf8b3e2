"""What each person has of each conversation: the list, markers, summaries. Owns the collection
`convos`.

It must never know a socket or the broker. `Conversations` finds and opens conversations;
`ConversationList` reads an employee's list; `Marking` moves markers; `Summaries` writes what is
derived from the log; `InboxStore` reads and writes the collection.
"""

from chat_service.inbox.conversations import Conversations
from chat_service.inbox.list import ConversationList
from chat_service.inbox.markers import Marking
from chat_service.inbox.store import (
    NO_MARKERS,
    InboxStore,
    Listed,
    Marker,
    Markers,
    partner_stages,
)
from chat_service.inbox.summaries import Summaries

__all__ = [
    "NO_MARKERS",
    "ConversationList",
    "Conversations",
    "InboxStore",
    "Listed",
    "Marker",
    "Markers",
    "Marking",
    "Summaries",
    "partner_stages",
]
