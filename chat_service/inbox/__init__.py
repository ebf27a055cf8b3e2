"""What each person has of each conversation: the list, markers, summaries. Owns the collection
`convos`.

It must never know a socket or the broker. `Conversations` says which exist and whose they are;
`Marking` moves markers; `Summaries` writes what is derived from the log.
"""

from chat_service.inbox.conversations import (
    NO_MARKERS,
    Conversations,
    Marker,
    Markers,
    conversation_of,
    of_two,
)
from chat_service.inbox.list import ConversationList, Listed
from chat_service.inbox.markers import Marking
from chat_service.inbox.summaries import Summaries

__all__ = [
    "NO_MARKERS",
    "ConversationList",
    "Conversations",
    "Listed",
    "Marker",
    "Markers",
    "Marking",
    "Summaries",
    "conversation_of",
    "of_two",
]
