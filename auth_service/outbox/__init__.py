"""Events for other services, kept until they are published: revoked sessions, deleted employees.
Owns the collection `departures`.

It must never know HTTP. `Announcer` publishes events; `Deletions` stores who deleted their account.
"""

from auth_service.outbox.announcer import Announcer
from auth_service.outbox.deletions import Deletions

__all__ = ["Announcer", "Deletions"]
