"""When a device connects again, by the chat service's README; but tests are in a hurry."""

import random

HURRY = 0.1
"""The part of the README's times that is waited. What the service asks for is waited in full."""
FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0
HELD_SECONDS = 10.0
"""A socket that held so long starts the waits from the beginning."""
TRY_AGAIN_LATER = 1013
LATER_SECONDS = 1.0


class Backoff:
    """At once the first time, then after 1, 2, 4 … 30 s, each made shorter by up to a half."""

    def __init__(self) -> None:
        self._tries = 0
        self._asked: float | None = None

    def ask(self, moment: float) -> None:
        """The service wants nobody back before this moment."""
        self._asked = moment

    def seconds(self, now: float, held: float, code: int) -> float:
        """How long to wait after a connection that held for `held` seconds and ended with `code`,
        or could not be made."""
        if held >= HELD_SECONDS * HURRY:
            self._tries = 0
        asked, self._asked = self._asked, None
        if asked is not None:
            return max(0.0, asked - now)
        if self._tries == 0:
            wait = random.uniform(0, FIRST_SECONDS)
        else:
            wait = min(LONGEST_SECONDS, 2.0 ** (self._tries - 1)) * random.uniform(0.5, 1)
        self._tries += 1
        return max(wait * HURRY, LATER_SECONDS if code == TRY_AGAIN_LATER else 0.0)
