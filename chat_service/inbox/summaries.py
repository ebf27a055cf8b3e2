"""Conversation summaries, written behind the log: where each conversation is, every so often.

They are derived. What is lost with a process is made good at the next start of any instance, and
when a list that shows it is read. No text is in them, so no deleted text can stay in them.

Such a start is also when it is found what the process may not have told anybody of.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from chat_service.inbox.store import InboxStore, Summary
from chat_service.log import Announcement, Committed, EntryStore, Kind, Recent
from shared.errors import ServiceError
from shared.observability.logs import get_logger

log = get_logger("summaries")

MOST_AT_ONCE = 1000
LOOKED_BACK = 5000
"""Entries, the newest of all conversations, whose summaries are checked at start."""
UNTOLD = timedelta(minutes=10)
"""Of younger entries nobody may have been told: who stored them was cut off, and then ended."""


class Summaries:
    """What is not yet in the summaries."""

    def __init__(self, inbox: InboxStore, entries: EntryStore, interval: float) -> None:
        self._inbox = inbox
        self._entries = entries
        self._interval = interval
        self._unwritten: dict[str, Summary] = {}
        self._work = asyncio.Event()
        self._untold: Callable[[Sequence[Announcement]], None] = lambda _: None

    def watch(self, untold: Callable[[Sequence[Announcement]], None]) -> None:
        """Call `untold` with what a process that ended may have told nobody of."""
        self._untold = untold

    def note(self, batch: Iterable[Committed]) -> None:
        """These entries became durable. Whoever sends a message has read what was before it."""
        for item in batch:
            entry, draft = item.entry, item.draft
            summary = self._of(entry.conversation)
            summary.head = max(summary.head, entry.seq)
            if entry.kind is Kind.MESSAGE:
                self._touch(summary, entry.timestamp)
                index = draft.conversation.participants.index(entry.sender)
                summary.sent[index] = max(summary.sent.get(index, 0), entry.seq)
        self._work.set()

    def repair(self, conversation: str, head: int, updated_at: datetime) -> None:
        """A summary was found to be behind its log."""
        summary = self._of(conversation)
        summary.head = max(summary.head, head)
        self._touch(summary, updated_at)
        self._work.set()

    async def run(self) -> None:
        """Look for what a crash left behind, then write until cancelled."""
        await self._look_back()
        while True:
            await self._work.wait()
            self._work.clear()
            await asyncio.sleep(self._interval)
            await self.write()

    async def write(self) -> None:
        """Write what was noted; what cannot be written now stays noted."""
        while self._unwritten:
            some = dict(list(self._unwritten.items())[:MOST_AT_ONCE])
            for conversation in some:
                del self._unwritten[conversation]
            try:
                await self._inbox.summarise(some)
            except BaseException as error:
                self._put_back(some)
                if isinstance(error, ServiceError):
                    return
                raise

    async def _look_back(self) -> None:
        """What a process that ended was about to write: nobody else will."""
        while True:
            try:
                recent = await self._entries.recent(LOOKED_BACK)
                participants = await self._inbox.participants(recent)
            except ServiceError:
                await asyncio.sleep(self._interval)
                continue
            for conversation, both in participants.items():
                self._make_good(conversation, both, recent[conversation])
            since = datetime.now(UTC) - UNTOLD
            self._untold(
                [
                    Announcement(conversation, *both, recent[conversation].head)
                    for conversation, both in participants.items()
                    if recent[conversation].at > since
                ]
            )
            return

    def _make_good(self, conversation: str, participants: tuple[str, str], newest: Recent) -> None:
        self.repair(conversation, newest.head, newest.at)
        sent = self._of(conversation).sent
        for index, employee in enumerate(participants):
            if employee in newest.sent:
                sent[index] = max(sent.get(index, 0), newest.sent[employee])

    def _of(self, conversation: str) -> Summary:
        summary = self._unwritten.get(conversation)
        if summary is None:
            summary = self._unwritten[conversation] = Summary(0, None, {})
        return summary

    def _touch(self, summary: Summary, moment: datetime) -> None:
        if summary.updated_at is None or summary.updated_at < moment:
            summary.updated_at = moment

    def _put_back(self, summaries: dict[str, Summary]) -> None:
        for conversation, older in summaries.items():
            summary = self._of(conversation)
            summary.head = max(summary.head, older.head)
            if older.updated_at is not None:
                self._touch(summary, older.updated_at)
            for index, seq in older.sent.items():
                summary.sent[index] = max(summary.sent.get(index, 0), seq)
        self._work.set()
