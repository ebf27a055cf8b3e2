"""Revoked sessions: whose tokens are not believed any more, and whose sockets have to go.

It must never know where it hears that from.
"""

import asyncio
import time
from collections.abc import Iterable

from chat_service.delivery import Hub
from chat_service.protocol import CloseCode
from shared.auth_events import RevokedSession
from shared.observability.logs import get_logger

log = get_logger("revocations")

SWEEP_SECONDS = 0.05
"""Sockets are looked through at most this often, for all sessions that were revoked meanwhile."""
SLACK_SECONDS = 60.0
"""What the clocks of two machines may differ by."""


class RevokedSids:
    """The sessions that were revoked and may still have tokens around, by id."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __contains__(self, sid: object) -> bool:
        return sid in self._until

    def __len__(self) -> int:
        return len(self._until)

    def add(self, session: RevokedSession) -> bool:
        """False where it is known already, or has no tokens left."""
        until = session.until.timestamp() + SLACK_SECONDS
        if session.sid in self._until or until < time.time():
            return False
        self._until[session.sid] = until
        return True

    def forget_expired(self) -> None:
        now = time.time()
        for sid in [sid for sid, until in self._until.items() if until < now]:
            del self._until[sid]


class Revocations:
    """Makes revocations hold on this instance."""

    def __init__(self, sids: RevokedSids, hub: Hub) -> None:
        self._sids = sids
        self._hub = hub
        self._new: set[str] = set()

    def revoke(self, sessions: Iterable[RevokedSession]) -> None:
        """These were revoked; it may be said again. Their tokens are refused from now on, and their
        sockets end within `SWEEP_SECONDS`."""
        new = {session.sid for session in sessions if self._sids.add(session)}
        if not new:
            return
        if not self._new:
            asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        self._new |= new

    def _sweep(self) -> None:
        new, self._new = self._new, set()
        self._sids.forget_expired()
        ended = 0
        for connection in self._hub:
            if connection.claims.sid in new:
                self._hub.detach(connection)  # it hears nothing from now on, whether it goes or not
                connection.close(CloseCode.SESSION_REVOKED)
                ended += 1
        log.info("sessions were revoked", sessions=len(new), sockets=ended)
