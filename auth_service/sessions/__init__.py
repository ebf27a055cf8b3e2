"""Sessions: one login on one device, kept alive by refresh tokens. Owns the collection `sessions`.

It must never know HTTP. `Sessions` stores them; `SessionVerifier` accepts access tokens of open
sessions only.
"""

from auth_service.sessions.access import SessionVerifier
from auth_service.sessions.refresh_tokens import RefreshToken
from auth_service.sessions.store import Device, Reason, Reused, Session, Sessions

__all__ = ["Device", "Reason", "RefreshToken", "Reused", "Session", "SessionVerifier", "Sessions"]
