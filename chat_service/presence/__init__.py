"""Presence: who is online, on any instance. Owns the collections `presence` and `instances`.

It must never know a socket or the broker. `PresenceKeeper` is told who comes and goes;
`PresenceStore` holds the truth.
"""

from chat_service.presence.announcer import Tell
from chat_service.presence.keeper import PresenceKeeper, PresenceTimes
from chat_service.presence.store import Presence, PresenceStore

__all__ = ["Presence", "PresenceKeeper", "PresenceStore", "PresenceTimes", "Tell"]
