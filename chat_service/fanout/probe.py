"""The probe: a message that an instance sends itself through the broker every few seconds.

A connection can be open and yet carry nothing. An instance is ready while its probe comes back;
where it does not, the connection is given up. Probes are numbered, so that a missing one shows that
the broker dropped messages.

Some probes go through the bindings of employees' shards, a few shards each time: where one of them
is missing, its binding may be lost, and is made again.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from chat_service.fanout.broker import Broker, BrokerDown
from chat_service.fanout.events import VERSION, Batch, encode
from shared.observability.logs import get_logger

log = get_logger("fanout")

PROBE_SECONDS = 3.0
DEAF_AFTER_SECONDS = 3 * PROBE_SECONDS
SHARDS_AT_ONCE = 4
"""Bindings that are tried with each probe."""
MAX_PATIENCE_SECONDS = 60.0
"""A connection is given up after `DEAF_AFTER_SECONDS` without a probe, the next one after twice as
long, and so on up to this: a broker in trouble is not helped by new connections."""


class Probe:
    """Sends probes, and knows from those that come back whether this instance hears everything.

    Whoever listens to the broker reports what it learns by `heard`, `restored` and `dropped`.
    """

    def __init__(self, broker: Broker, instance: str, bound: Callable[[], Sequence[str]]) -> None:
        """`bound` gives keys that are bound, and will be for longer than a probe takes."""
        self.key = f"probe.{instance}"
        """The routing key of this instance's probes."""
        self._broker = broker
        self._instance = instance
        self._bound = bound
        self._tried = 0
        self._keys: dict[int, str] = {}
        self._lost: set[str] = set()
        self._sent = 0
        self._heard = 0
        self._heard_at = float("-inf")
        self._restored_at = float("-inf")
        self._dropped_before: int | None = None
        self._patience = DEAF_AFTER_SECONDS
        self._at_once = asyncio.Event()

    @property
    def age(self) -> float:
        """Seconds since a probe came back on the present connection; infinite before the first."""
        return time.monotonic() - self._heard_at

    async def check(self) -> str | None:
        """For readiness: why this instance may not hear the others; None while probes come back."""
        if not self._broker.connected:
            return "the broker is not connected"
        if self.age > DEAF_AFTER_SECONDS:
            return "the broker is connected, but nothing comes through"
        return None

    def restored(self) -> None:
        """There is a new connection: nothing is known of it yet."""
        self._heard = 0
        self._heard_at = float("-inf")
        self._restored_at = time.monotonic()
        self._keys.clear()
        self._lost.clear()
        self._dropped_before = None
        self._at_once.set()

    def dropped(self) -> None:
        """The broker dropped messages for this instance.

        It may go on doing so until what waits now has been read. That is over when a probe comes
        back that was sent after this call.
        """
        self._dropped_before = self._sent

    def heard(self, number: int) -> bool:
        """A probe came back. Returns whether it ends a time in which messages were dropped."""
        if self._heard and number > self._heard + 1:
            self.dropped()  # one of ours did not come: what else did not?
            missing = {self._keys.get(one, self.key) for one in range(self._heard + 1, number)}
            self._lost |= missing - {self.key}
        self._keys = {one: key for one, key in self._keys.items() if one > number}
        self._heard = number
        self._heard_at = time.monotonic()
        self._patience = DEAF_AFTER_SECONDS
        if self._dropped_before is None or number <= self._dropped_before:
            return False
        self._dropped_before = None
        return True

    async def run(self) -> None:
        """Send probes until cancelled, and give connections up on which none comes back."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._at_once.wait()
            self._at_once.clear()
            if not self._broker.connected:
                continue
            await self._bind_again()
            silence = time.monotonic() - max(self._heard_at, self._restored_at)
            if silence > self._patience:
                log.warning("nothing comes through the broker", seconds=round(silence, 1))
                self._patience = min(2 * self._patience, MAX_PATIENCE_SECONDS)
                self._broker.reset()
            else:
                await self._send()

    async def _bind_again(self) -> None:
        lost, self._lost = self._lost & set(self._bound()), set()
        for key in lost:
            log.warning("binding a shard again", key=key)
            await self._broker.bind(key)

    async def _send(self) -> None:
        for key in (self.key, *self._some_shards()):
            self._sent += 1
            self._keys[self._sent] = key
            probe = Batch(VERSION, self._instance, probe=self._sent)
            try:
                await self._broker.publish([key], encode(probe), confirm=False)
            except BrokerDown as error:
                del self._keys[self._sent]
                self._sent -= 1
                log.warning("cannot send the probe", reason=str(error))
                return

    def _some_shards(self) -> list[str]:
        bound = self._bound()
        count = min(SHARDS_AT_ONCE, len(bound))
        first, self._tried = self._tried, self._tried + count
        return [bound[number % len(bound)] for number in range(first, first + count)]
