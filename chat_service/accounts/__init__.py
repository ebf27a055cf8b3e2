"""What the auth service tells us: revoked sessions, deleted employees, and whether one exists.

It must never know our clients' transport. `AuthFeed` receives it; `Revocations` and `Departures`
apply it here; `EmployeeLookup` asks.
"""

from chat_service.accounts.departures import Departures
from chat_service.accounts.feed import AuthFeed
from chat_service.accounts.lookup import EmployeeLookup
from chat_service.accounts.revocations import Revocations, RevokedSids

__all__ = ["AuthFeed", "Departures", "EmployeeLookup", "Revocations", "RevokedSids"]
