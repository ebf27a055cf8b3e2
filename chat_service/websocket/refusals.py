"""Keeps the order of a socket's sends where one was refused for now.

Sends that the socket had under way behind the refused one must not be stored before it comes again.
How long a client pauses is measured while the socket listens to it: an op that waits for the
database holds up those behind it, and is no pause of the client.
"""

import time

from msgspec import Struct

from shared.errors import ServiceError

REMEMBERED = 256
"""Conversations of a socket; beyond it, those whose time has passed are forgotten."""
LEAST_SECONDS = 1.0
"""A pause in what a socket sends, after which it is taken to know of the refusal. What it has under
way comes faster, however slowly it is read."""
LONGEST_SECONDS = 10.0
"""A client that gave up what was refused, and writes on without a pause, is let through then."""


class _Refused(Struct):
    id: object
    error: ServiceError
    pause: float
    until: float
    latest: float


class Refusals:
    """What was refused for now, by conversation: the first op of each."""

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
        self._listened = self._now()
        self._listening_since = None

    def note(self, conversation: str, id: object, error: ServiceError) -> None:
        """An op was refused. Those behind it are refused alike, until it comes again, or none has
        come for twice the time after which it may (a second at least)."""
        wait = error.retry_after
        if wait is None:
            return
        now = self._now()
        before = self._refused.get(conversation)
        if before is not None and before.until > now:
            before.until = min(now + before.pause, before.latest)
            return
        if len(self._refused) >= REMEMBERED:
            self._refused = {key: one for key, one in self._refused.items() if one.until > now}
        pause = max(2 * wait, LEAST_SECONDS)
        latest = now + max(pause, LONGEST_SECONDS)
        self._refused[conversation] = _Refused(id, error, pause, now + pause, latest)

    def check(self, conversation: str, id: object) -> None:
        """Raises the error of an op before this one that has to come first."""
        if not self._refused:
            return
        refused = self._refused.get(conversation)
        if refused is None:
            return
        now = self._now()
        if refused.id == id or refused.until <= now:
            del self._refused[conversation]
        else:
            refused.until = min(now + refused.pause, refused.latest)
            raise refused.error

    def _now(self) -> float:
        """For how many seconds the socket has listened."""
        if self._listening_since is None:
            return self._listened
        return self._listened + time.monotonic() - self._listening_since
