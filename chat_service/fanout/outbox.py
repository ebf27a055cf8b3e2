"""What waits to be published, in bounded memory: where too much waits, less is said of it."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from itertools import islice

from chat_service.fanout.events import VERSION, Batch, Event, Signal
from chat_service.log import Announcement, joined

BATCH = 512
"""Events, and announcements, in one batch."""
MAX_EVENTS = 20_000
MAX_ANNOUNCEMENTS = 50_000
"""Conversations whose heads wait to be announced."""
MAX_SIGNALS = 1000


class Outbox:
    """What an instance has to tell the others, until it is taken out in batches.

    No entry is forgotten. Events beyond `MAX_EVENTS` become announcements of their conversations'
    heads; announcements beyond `MAX_ANNOUNCEMENTS` become, all of them, one call to everybody to
    resume. Signals beyond `MAX_SIGNALS` are dropped.

    `work` is set when there may be something to publish, `signal_work` when there are signals;
    whoever waits for them clears them. What is put in by `put_heads` waits for the broker and sets
    nothing.
    """

    def __init__(self, instance: str) -> None:
        self.work = asyncio.Event()
        self.signal_work = asyncio.Event()
        self.waiting_since = 0.0
        """Since when there were always events that wait, by the monotonic clock."""
        self.untold_since: float | None = None
        """Since when there was always something untold, by the same clock; None: all is told."""
        self._instance = instance
        self._events: list[Event] = []
        self._announcements: dict[str, Announcement] = {}
        self._everyone_missed = False
        self._signals: list[Signal] = []

    @property
    def empty(self) -> bool:
        """Whether there is no batch of events and announcements to publish."""
        return not (self._events or self._announcements or self._everyone_missed)

    @property
    def unannounced(self) -> int:
        """Conversations whose heads wait to be announced."""
        return len(self._announcements)

    def put(self, events: Sequence[Event]) -> None:
        """Publish `events` in their order; announce their heads where there is no room for them."""
        if len(self._events) + len(events) > MAX_EVENTS:
            self.put_heads(events)
        else:
            if not self._events:
                self.waiting_since = time.monotonic()
            self._events += events
            self._note_untold()
        self.work.set()

    def put_heads(self, events: Iterable[Event]) -> None:
        """Announce the heads that follow from `events`, instead of the events."""
        for event in events:
            self._announce(Announcement(event.conversation, event.first, event.second, event.seq))

    def announce(self, announcements: Iterable[Announcement]) -> None:
        """Announce heads. Several of one conversation become one."""
        for news in announcements:
            self._announce(news)
        self.work.set()

    def signal(self, signal: Signal) -> None:
        """Publish `signal`, or drop it where too many wait."""
        if len(self._signals) < MAX_SIGNALS:
            self._signals.append(signal)
            self.signal_work.set()

    def reduce_to_heads(self) -> None:
        """Announce the heads of all events that wait, instead of the events."""
        events, self._events = self._events, []
        self.put_heads(events)

    def next_batch(self) -> Batch:
        """Take out the next events and announcements, at most `BATCH` of each."""
        events, self._events = self._events[:BATCH], self._events[BATCH:]
        some = list(islice(self._announcements, BATCH))
        announcements = [self._announcements.pop(conversation) for conversation in some]
        resync = "another instance could not tell of its events" if self._everyone_missed else ""
        self._everyone_missed = False
        return Batch(
            VERSION, self._instance, events=events, announcements=announcements, resync=resync
        )

    def next_signals(self) -> Batch:
        """Take out all signals."""
        signals, self._signals = self._signals, []
        return Batch(VERSION, self._instance, signals=signals)

    def take_back(self, batch: Batch) -> None:
        """Keep what is in a batch that may not have been published; its events as heads."""
        self.put_heads(batch.events)
        for news in batch.announcements:
            self._announce(news)
        self._everyone_missed |= bool(batch.resync)

    def told(self) -> None:
        """What was taken out has been published."""
        if self.empty:
            self.untold_since = None

    def _note_untold(self) -> None:
        if self.untold_since is None:
            self.untold_since = time.monotonic()

    def _announce(self, news: Announcement) -> None:
        self._note_untold()
        known = self._announcements.get(news.conversation)
        self._announcements[news.conversation] = news if known is None else joined(known, news)
        if len(self._announcements) > MAX_ANNOUNCEMENTS:
            self._announcements.clear()
            self._everyone_missed = True
