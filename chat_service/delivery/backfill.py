"""Reads missing entries from the log, of several conversations at a time.

It must never know what is done with them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct

from chat_service.fanout import Event
from shared.errors import ServiceError
from shared.observability.logs import get_logger
from shared.tasks import RETRY_SECONDS

log = get_logger("backfill")


class Gap(Struct, frozen=True):
    """The entries of `first` and `second` after position `after` and up to `upto` are missing."""

    first: str
    second: str
    after: int
    upto: int


Source = Callable[[Mapping[str, Gap]], Awaitable[tuple[Sequence[Event], bool]]]
"""Reads the events in these gaps, those of a conversation in order, and says whether these are all
that there are: a read is bounded. Raises a `ServiceError` where the log cannot be read now."""


class Backfill:
    """Fills gaps that did not fill themselves within `wait` seconds."""

    def __init__(
        self,
        source: Source,
        gap: Callable[[str], Gap | None],
        found: Callable[[Event], None],
        give_up: Callable[[str], None],
        wait: float,
    ) -> None:
        """`gap` says what is missing of a conversation now, `found` takes an event, and `give_up` a
        conversation whose gap the log cannot fill."""
        self._source = source
        self._gap = gap
        self._found = found
        self._give_up = give_up
        self._wait = wait
        self._expected: dict[str, float] = {}
        self._work = asyncio.Event()
        self.entries = 0

    def expect(self, conversation: str) -> None:
        """An entry of `conversation` is missing."""
        if conversation not in self._expected:
            self._expected[conversation] = asyncio.get_running_loop().time() + self._wait
            self._work.set()

    async def run(self) -> None:
        """Fill gaps until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._work.wait()
            self._work.clear()
            while self._expected:
                # All wait equally long, so the first is due first.
                await asyncio.sleep(next(iter(self._expected.values())) - loop.time())
                now = loop.time()
                due = [id for id, at in self._expected.items() if at <= now]
                try:
                    await self._fill(due)
                except ServiceError:
                    await asyncio.sleep(RETRY_SECONDS)
                except Exception:
                    log.exception("a backfill failed", conversations=len(due))
                    self._forget(due)

    async def _fill(self, due: Sequence[str]) -> None:
        gaps = {id: gap for id in due if (gap := self._gap(id)) is not None}
        events, complete = await self._source(gaps) if gaps else ((), True)
        for event in events:
            self._found(event)
        self.entries += len(events)
        for id in due:
            gap = self._gap(id)
            if gap is None:
                del self._expected[id]
            elif id not in gaps or gap.after >= gaps[id].upto:  # another one
                del self._expected[id]
                self.expect(id)
            elif complete:
                log.warning("a gap was not filled", conversation=id, size=gap.upto - gap.after)
                self._forget([id])

    def _forget(self, conversations: Sequence[str]) -> None:
        for id in conversations:
            del self._expected[id]
            self._give_up(id)
