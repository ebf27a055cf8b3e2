"""Announces whose status changed to their partners, at a pace that leaves room for messages.

It must never know a socket, the broker or MongoDB.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct

from chat_service.delivery import text_frame
from chat_service.presence.store import PresenceStore
from chat_service.protocol import PresenceEvent, encode

PARTNERS = 500
"""How many are told of one change: the partners of the most recent conversations."""
AT_ONCE = 100
ANNOUNCE_SECONDS = 0.1
"""Pause after each `AT_ONCE` employees: at most a thousand are announced per second."""
MAX_WAITING = 200
"""Batches that wait to be announced; beyond that some are dropped, usually the oldest."""

Tell = Callable[[tuple[str, ...], bytes], None]
"""(employees, frame): sends the frame to their sockets on any instance. It must not block."""


class _Batch(Struct, frozen=True):
    """Employees whose status may have changed under `token`."""

    token: str
    employees: Sequence[str]


class Announcer:
    """Announcements are hints: each is sent once and may be lost.

    Two announcements about one employee may arrive in the wrong order if two instances made them;
    the one with the later `last_seen` holds.
    """

    def __init__(self, store: PresenceStore) -> None:
        self._store = store
        self._batches: deque[_Batch] = deque(maxlen=MAX_WAITING)
        self._work = asyncio.Event()

    def changed(self, token: str, employees: Sequence[str]) -> None:
        """Queue `employees`, whose status may have changed under `token`."""
        self._batches.append(_Batch(token, employees))
        self._work.set()

    async def announce(self, tell: Tell) -> None:
        """Wait for a batch, and announce up to `AT_ONCE` of its employees whose status did change
        and has not changed again. Raises `Unavailable`; the batch then stays first in the queue."""
        while not self._batches:
            self._work.clear()
            await self._work.wait()
        batch = self._batches.popleft()
        employees, rest = batch.employees[:AT_ONCE], batch.employees[AT_ONCE:]
        try:
            changes = await self._store.changes(batch.token, employees, PARTNERS)
        except BaseException:
            self._batches.appendleft(batch)
            raise
        if rest:
            self._batches.appendleft(_Batch(batch.token, rest))
        for change in changes:
            if change.partners:
                event = PresenceEvent(change.employee, change.status, change.last_seen)
                tell(change.partners, text_frame(encode(event)))
