"""The database's clock: one time for all instances, whatever their own clocks say."""

import time

from shared.mongo import Mongo
from shared.tasks import every

SET_EVERY_SECONDS = 10.0
TRUSTED_ROUND_TRIP_SECONDS = 0.25
"""A slower reply says too little about when the server read its clock, and is ignored."""


class DatabaseClock:
    """Seconds since the epoch by MongoDB's clock, to within half a round trip.

    Between readings it follows this machine's monotonic clock, so that jumps of the wall clock do
    not matter. Before the first reading it is the wall clock.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._ahead = time.time() - time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() + self._ahead

    async def run(self) -> None:
        """Read the server's clock every `SET_EVERY_SECONDS`, until cancelled."""
        await every(SET_EVERY_SECONDS, self._read)

    async def _read(self) -> None:
        asked = time.monotonic()
        moment = await self._mongo.server_time()
        answered = time.monotonic()
        if answered - asked <= TRUSTED_ROUND_TRIP_SECONDS:
            self._ahead = moment.timestamp() - (asked + answered) / 2
