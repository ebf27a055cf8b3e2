"""Keeps the order of a socket's sends where one was refused for now.

Sends that the socket had under way behind the refused one must not be stored before it comes again.
How long a client pauses is measured while the socket listens to it: an op that waits for the
database holds up those behind it, and is no pause of the client.
"""

import time

from msgspec import Struct

from shared.errors import ServiceError

REMEMBERED = 256
"""Conversations of a socket; beyond it, the one that was refused first is forgotten."""
LEAST_SECONDS = 1.0
"""A pause in what a socket sends, after which it is taken to know of the refusal. What it has under
way comes faster, however slowly it is read."""
LONGEST_SECONDS = 60.0
"""A client that gave up what was refused, and writes on without a pause, is let through then."""


class _Refused(Struct):
    id: object
    error: ServiceError
    came_at: float
    pause: float
    until: float
    """In seconds that the socket has listened."""
    latest: float
    """On the clock, whatever the socket did meanwhile."""


class Refusals:
    """What was refused for now, by conversation: the op of each that came first."""

    __slots__ = ("_listened", "_listening_since", "_refused")

    def __init__(self) -> None:
        self._refused: dict[str, _Refused] = {}
        self._listened = 0.0
        self._listening_since: float | None = None

    def listening(self) -> None:
        """The socket waits for the client's next op."""
        self._listening_since = time.monotonic()

    def heard(self) -> None:
        """It has come."""
        self._listened = self._listened_for()
        self._listening_since = None

    def note(self, conversation: str, id: object, error: ServiceError, came_at: float) -> None:
        """An op was refused, which came at `came_at` by the monotonic clock.

        Those behind it are refused alike, until it comes again, or none has come for twice the time
        after which it may (a second at least). Of several, the one that came first counts,
        whichever was refused first.
        """
        wait = error.retry_after
        if wait is None:
            return
        error.with_traceback(None)  # whose frames hold what the client sent
        before = self._refused.get(conversation)
        if before is not None and not self._over(before):
            before.until = self._listened_for() + before.pause
            if came_at < before.came_at:
                before.id, before.came_at = id, came_at
            return
        self._refused.pop(conversation, None)
        if len(self._refused) >= REMEMBERED:
            del self._refused[next(iter(self._refused))]
        pause = max(2 * wait, LEAST_SECONDS)
        until = self._listened_for() + pause
        latest = time.monotonic() + max(pause, LONGEST_SECONDS)
        self._refused[conversation] = _Refused(id, error, came_at, pause, until, latest)

    def check(self, conversation: str, id: object) -> None:
        """Raises the error of an op before this one that has to come first."""
        if not self._refused:
            return
        refused = self._refused.get(conversation)
        if refused is None:
            return
        if refused.id == id or self._over(refused):
            del self._refused[conversation]
        else:
            refused.until = self._listened_for() + refused.pause
            raise refused.error.with_traceback(None)

    def _over(self, refused: _Refused) -> bool:
        return refused.until <= self._listened_for() or refused.latest <= time.monotonic()

    def _listened_for(self) -> float:
        """Seconds."""
        if self._listening_since is None:
            return self._listened
        return self._listened + time.monotonic() - self._listening_since
