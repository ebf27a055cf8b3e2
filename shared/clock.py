"""The database's clock: one time for all instances, whatever their own clocks say."""

import asyncio
import time
from datetime import UTC, datetime

from pymongo.errors import PyMongoError

from shared.mongo import Mongo

SET_EVERY_SECONDS = 10.0
TRUSTED_ROUND_TRIP_SECONDS = 0.25
"""A slower answer says too little about when it was given."""


class DatabaseClock:
    """Seconds since the epoch by MongoDB's clock, to within half a round trip.

    Runs on this machine's monotonic clock between looks, so that jumps of its wall clock do not
    matter. Before the first look it is the wall clock.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._ahead = time.time() - time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() + self._ahead

    async def run(self) -> None:
        """Look at the database's clock every so often, until cancelled."""
        while True:
            asked = time.monotonic()
            try:
                hello = await self._mongo.client.admin.command("hello")
            except PyMongoError:
                await asyncio.sleep(1.0)
                continue
            self._set(hello["localTime"], asked, time.monotonic())
            await asyncio.sleep(SET_EVERY_SECONDS)

    def _set(self, moment: datetime, asked: float, answered: float) -> None:
        if answered - asked <= TRUSTED_ROUND_TRIP_SECONDS:
            utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            self._ahead = utc.timestamp() - (asked + answered) / 2
