"""What follows a commit: the sender's answer, the event to the sockets here, the publication."""

import asyncio
import random
from collections.abc import Collection, Sequence

from msgspec import UNSET

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
    PageQuery,
    milliseconds,
)
from chat_service.protocol import (
    Deleted,
    Edited,
    LogEvent,
    MarkerEvent,
    Message,
    Resync,
    TypingEvent,
    encode,
)
from shared.observability.metrics import Distribution

RESYNC_SPREAD_SECONDS = 2.0
"""An instance spreads its resyncs over at least this time."""
RESYNCS_A_SECOND = 1000
"""An instance sends no more resyncs than that: a resume costs the database about a millisecond."""


def event_of(
    entry: Entry, participants: tuple[str, str], previous_at: int, late_after: int | None = None
) -> Event:
    """The event of a committed entry. Its frame is encoded here, once for all sockets."""
    first, second = participants
    return Event(
        conversation=entry.conversation,
        seq=entry.seq,
        at=milliseconds(entry.timestamp),
        previous_at=previous_at,
        first=first,
        second=second,
        frame=text_frame(encode(as_log_event(entry, participants))),
        late_after=late_after,
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

    `committed` and `doubtful` are for the message log to call, `receiver` is for the fan-out. A gap
    may fill itself for `gap_wait` seconds before it is read from the log.
    """

    def __init__(
        self,
        hub: Hub,
        store: EntryStore,
        summaries: Summaries,
        fanout: FanOut,
        log: MessageLog,
        gap_wait: float,
    ) -> None:
        self.counts = DeliveryCounts()
        self.receiver = Receiver(self._received, self.resync_all)
        self._hub = hub
        self._store = store
        self._summaries = summaries
        self._fanout = fanout
        self._heads = log.heads
        self.sequencer = Sequencer(
            self._missing,
            hub.deliver,
            hub.since,
            self._give_up,
            gap_wait=gap_wait,
            clock=hub.clock,
        )

    def committed(self, batch: Sequence[Committed]) -> None:
        """Answer the senders of durable entries, then tell everyone else."""
        events = []
        repeats = []
        for item in batch:
            draft, entry = item.draft, item.entry
            draft.settle(draft, entry, item.repeated)
            participants = draft.conversation.participants
            if item.repeated and item.late_after is None:
                repeats.append(Announcement(entry.conversation, *participants, entry.seq))
                continue
            event = event_of(entry, participants, item.previous_at, item.late_after)
            self.sequencer.offer(event, draft.origin)
            events.append(event)
        self._measure(events, self.counts.here)
        self._fanout.publish(events)
        self._summaries.note(batch)
        if repeats:
            # Delivered already, unless a process died in between. The sequencers know.
            self.doubtful(repeats)

    def doubtful(self, announcements: Sequence[Announcement]) -> None:
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
            self._heads.observe(event.conversation, event.seq, event.at)
            self.sequencer.offer(event)
        self._measure(batch.events, self.counts.elsewhere)
        for signal in batch.signals:
            self._hub.signal(signal)
        for news in batch.announcements:
            self.sequencer.announce(news)

    def _measure(self, events: Sequence[Event], delays: Distribution) -> None:
        """Add how long ago the first of `events` was written, unless it could not be told then."""
        if events and events[0].late_after is None:
            delays.add(max(0.0, self._hub.clock() - events[0].at / 1000))

    async def _missing(
        self, conversation: str, participants: tuple[str, str], after: int, upto: int, limit: int
    ) -> list[Event]:
        query = PageQuery(conversation=conversation, before=upto + 1, limit=limit)
        page = await self._store.page(query)
        return [event_of(entry, participants, 0) for entry in page.entries if entry.seq > after]

    def _give_up(self, first: str, second: str) -> None:
        self._resync(self._hub.of(first, second), "too many events were missed")

    def _resync(self, connections: Collection[Connection], reason: str) -> None:
        frame = text_frame(encode(Resync(reason)))
        loop = asyncio.get_running_loop()
        spread = max(RESYNC_SPREAD_SECONDS, len(connections) / RESYNCS_A_SECOND)
        for connection in connections:
            self.counts.resyncs += 1
            loop.call_later(random.uniform(0, spread), connection.resync, frame)
