"""What follows a commit: the sender's answer, the event to the sockets here, the publication."""

import asyncio
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import aclosing

from msgspec import UNSET

from chat_service.delivery.backfill import Gap
from chat_service.delivery.connection import Connection
from chat_service.delivery.counts import DeliveryCounts
from chat_service.delivery.frames import text_frame
from chat_service.delivery.hub import Hub
from chat_service.delivery.sequencer import Sequencer
from chat_service.fanout import Batch, Event, FanOut, Receiver, Signal
from chat_service.inbox import Marker, Summaries
from chat_service.log import (
    Announcement,
    Committed,
    Conversation,
    Entry,
    EntryStore,
    Kind,
    MessageLog,
    milliseconds,
)
from chat_service.protocol import (
    Deleted,
    Edited,
    HeadEvent,
    LogEvent,
    MarkerEvent,
    Message,
    Resync,
    TypingEvent,
    encode,
)
from shared.observability.metrics import Distribution

BACKFILL_ENTRIES = 500
BACKFILL_BYTES = 262_144
"""Of entries in one read of missing ones, as frames."""
BACKFILL_AT_ONCE = 64
"""Entries in one reply of the database."""
RESYNC_SPREAD_SECONDS = 2.0
"""An instance spreads its resyncs over at least this time."""
RESYNCS_A_SECOND = 1000
"""All instances together send no more resyncs than that: a resume costs the database about a
millisecond."""


def event_of(entry: Entry, participants: tuple[str, str]) -> Event:
    """The event of a committed entry. Its frame is encoded here, once for all sockets."""
    first, second = participants
    return Event(
        conversation=entry.conversation,
        seq=entry.seq,
        at=milliseconds(entry.timestamp),
        first=first,
        second=second,
        frame=text_frame(encode(as_log_event(entry, participants))),
    )


def as_log_event(entry: Entry, participants: tuple[str, str]) -> LogEvent:
    """A committed entry as the protocol shows it."""
    text = UNSET if entry.text is None else entry.text
    if entry.kind is Kind.MESSAGE:
        return Message(
            conversation=entry.conversation,
            seq=entry.seq,
            id=entry.id,
            sender=entry.sender,
            participants=participants,
            timestamp=entry.timestamp,
            text=text,
            sent_at=UNSET if entry.sent_at is None else entry.sent_at,
            edited_at=UNSET if entry.edited_at is None else entry.edited_at,
            deleted=entry.deleted,
        )
    assert entry.message is not None
    about = (
        entry.conversation,
        entry.seq,
        entry.id,
        entry.message,
        entry.sender,
        participants,
        entry.timestamp,
    )
    return Edited(*about, text) if entry.kind is Kind.EDIT else Deleted(*about)


class Delivery:
    """Knows the hub, the sequencer and the fan-out, so that none of them knows another.

    `committed` and `announce` are for the message log to call, `receiver` is for the fan-out.
    `clock` is the one that entries are written by, for measurements. `instances` says how many
    there are: what makes one of them call for resumes does so to most. A gap may fill itself for
    `gap_wait` seconds before it is read from the log.
    """

    def __init__(
        self,
        hub: Hub,
        store: EntryStore,
        summaries: Summaries,
        fanout: FanOut,
        log: MessageLog,
        clock: Callable[[], float],
        instances: Callable[[], int],
        gap_wait: float,
    ) -> None:
        self.counts = DeliveryCounts()
        self.receiver = Receiver(self._received, self.resync_all)
        self._hub = hub
        self._store = store
        self._summaries = summaries
        self._fanout = fanout
        self._log = log
        self._clock = clock
        self._instances = instances
        self.sequencer = Sequencer(
            self._missing, hub.deliver, self._lagging, hub.stays, gap_wait=gap_wait
        )

    def committed(self, batch: Sequence[Committed]) -> None:
        """Answer the senders of durable entries, then tell everyone else."""
        events = []
        repeats = []
        for item in batch:
            draft, entry = item.draft, item.entry
            draft.settle(draft, entry, item.repeated)
            participants = draft.conversation.participants
            if item.repeated:
                # Delivered already, unless a process died in between. The devices know.
                repeats.append(Announcement(entry.conversation, *participants, entry.seq))
                continue
            event = event_of(entry, participants)
            self.sequencer.offer(event, draft.origin)
            events.append(event)
        self._measure(events, self.counts.here)
        self._fanout.publish(events)
        self._summaries.note(batch)
        if repeats:
            self.announce(repeats)

    def announce(self, announcements: Sequence[Announcement]) -> None:
        """Announce the heads of conversations with entries that perhaps nobody was told of."""
        for news in announcements:
            self.sequencer.announce(news)
        self._fanout.announce(announcements)

    def typing(self, sender: str, conversation: Conversation, *, active: bool) -> None:
        """Tell the other participant that `sender` types, or stopped typing."""
        frame = text_frame(encode(TypingEvent(conversation.id, sender, active)))
        self.tell((conversation.other(sender),), frame)

    def marked(self, conversation: Conversation, employee: str, marker: Marker) -> None:
        """Tell both participants what `employee` has received and read."""
        event = MarkerEvent(conversation.id, employee, marker.received, marker.read)
        frame = text_frame(encode(event))
        self.tell(conversation.participants, frame)

    def resync_all(self, reason: str) -> None:
        """Tell every socket here to resume: any of them may have missed something."""
        self._resync(list(self._hub), reason)

    def tell(self, employees: tuple[str, ...], frame: bytes) -> None:
        """Give `frame` to all sockets of `employees`, on any instance; it is dropped for those that
        read slowly, and where the broker is away."""
        signal = Signal(employees, frame)
        self._hub.signal(signal)
        self._fanout.signal(signal)

    def _received(self, batch: Batch) -> None:
        for event in batch.events:
            self._log.observe(event.conversation, event.seq, event.at)
            self.sequencer.offer(event)
        self._measure(batch.events, self.counts.elsewhere)
        for signal in batch.signals:
            self._hub.signal(signal)
        for news in batch.announcements:
            self.sequencer.announce(news)

    def _measure(self, events: Sequence[Event], delays: Distribution) -> None:
        """Add how long ago the first of `events` was written."""
        if events:
            delays.add(max(0.0, self._clock() - events[0].at / 1000))

    async def _missing(self, gaps: Mapping[str, Gap]) -> tuple[list[Event], bool]:
        """What is in `gaps`, within `BACKFILL_ENTRIES` and `BACKFILL_BYTES`; whether that is all.

        The bounds are below what a socket may have waiting, so that no peer that reads is cut off.
        """
        found: list[Event] = []
        left = BACKFILL_BYTES
        entries = self._store.after(
            {id: gap.after for id, gap in gaps.items()},
            before={id: gap.upto + 1 for id, gap in gaps.items()},
            limit=BACKFILL_ENTRIES,
            at_once=BACKFILL_AT_ONCE,
        )
        async with aclosing(entries):
            async for some in entries:
                for entry in some:
                    gap = gaps[entry.conversation]
                    found.append(event_of(entry, (gap.first, gap.second)))
                    left -= len(found[-1].frame)
                    if left <= 0:
                        return found, False
        return found, len(found) < BACKFILL_ENTRIES

    def _lagging(self, news: Announcement) -> None:
        """Tell the devices of both participants how far their conversation goes."""
        frame = text_frame(
            encode(HeadEvent(news.conversation, (news.first, news.second), news.head))
        )
        self._hub.deliver(
            Event(news.conversation, news.head, 0, news.first, news.second, frame), None
        )
        self.counts.heads += 1

    def _resync(self, connections: Collection[Connection], reason: str) -> None:
        frame = text_frame(encode(Resync(reason)))
        loop = asyncio.get_running_loop()
        resyncs = len(connections) * self._instances()
        spread = max(RESYNC_SPREAD_SECONDS, resyncs / RESYNCS_A_SECOND)
        for connection in connections:
            self.counts.resyncs += 1
            loop.call_later(random.uniform(0, spread), connection.resync, frame)
