"""What the auth service tells us: revoked sessions, deleted employees, and whether somebody exists.

It must never know a transport of our clients. `AuthFeed` hears it; `Revocations` and `Departures`
make it hold here; `EmployeeLookup` asks.
"""

from chat_service.accounts.departures import Departures
from chat_service.accounts.feed import AuthFeed
from chat_service.accounts.lookup import EmployeeLookup
from chat_service.accounts.revocations import Revocations, RevokedSids

__all__ = ["AuthFeed", "Departures", "EmployeeLookup", "Revocations", "RevokedSids"]
