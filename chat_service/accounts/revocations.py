"""Revoked sessions: their tokens are refused, and their sockets are closed.

It must never know how this instance learns of them.
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
"""How long revocations are collected before one pass over all sockets."""
CLOCK_SKEW_SECONDS = 60.0
"""How far the clocks of two machines may differ."""


class RevokedSids:
    """The ids of revoked sessions that may still have unexpired tokens."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __contains__(self, sid: object) -> bool:
        return sid in self._until

    def __len__(self) -> int:
        return len(self._until)

    def add(self, session: RevokedSession) -> bool:
        """False if it is known already, or if all of its tokens have expired."""
        until = session.until.timestamp() + CLOCK_SKEW_SECONDS
        if session.sid in self._until or until < time.time():
            return False
        self._until[session.sid] = until
        return True

    def forget_expired(self) -> None:
        """Drop the sessions whose tokens have all expired."""
        now = time.time()
        for sid in [sid for sid, until in self._until.items() if until < now]:
            del self._until[sid]


class Revocations:
    """Applies revocations on this instance: to `sids`, and to the sockets in `hub`."""

    def __init__(self, sids: RevokedSids, hub: Hub) -> None:
        self._sids = sids
        self._hub = hub
        self._new: set[str] = set()

    def revoke(self, sessions: Iterable[RevokedSession]) -> None:
        """Refuse the tokens of `sessions` from now on, and close their sockets within
        `SWEEP_SECONDS`. Sessions that were given before change nothing."""
        new = {session.sid for session in sessions if self._sids.add(session)}
        if not new:
            return
        if not self._new:
            asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        self._new |= new

    def _sweep(self) -> None:
        new, self._new = self._new, set()
        self._sids.forget_expired()
        closed = 0
        for connection in self._hub:
            if connection.claims.sid in new:
                self._hub.detach(connection)  # it receives nothing more, however long it takes
                connection.close(CloseCode.SESSION_REVOKED)
                closed += 1
        log.info("sessions were revoked", sessions=len(new), sockets=closed)
