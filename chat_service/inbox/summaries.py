"""Conversation summaries, written behind the log at an interval.

They are derived from the log. What is lost with a process is restored when any instance starts,
and when a list shows the conversation. They contain no text, so no deleted text can stay in them.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime

from chat_service.inbox.store import InboxStore, Summary
from chat_service.log import Committed, EntryStore, Kind, Recent
from shared.errors import ServiceError
from shared.tasks import whenever

MOST_AT_ONCE = 1000
"""Summaries in one write."""
LOOKED_BACK = 5000
"""How many of the newest entries, of all conversations, are checked at start."""


class Summaries:
    """The summaries that are still to be written."""

    def __init__(self, inbox: InboxStore, entries: EntryStore, interval: float) -> None:
        """`interval` is in seconds."""
        self._inbox = inbox
        self._entries = entries
        self._interval = interval
        self._unwritten: dict[str, Summary] = {}
        self._work = asyncio.Event()

    def note(self, batch: Iterable[Committed]) -> None:
        """These entries became durable. Whoever sends a message has read everything before it."""
        for item in batch:
            entry, draft = item.entry, item.draft
            summary = self._of(entry.conversation)
            summary.head = max(summary.head, entry.seq)
            if entry.kind is Kind.MESSAGE:
                _touch(summary, entry.timestamp)
                index = draft.conversation.participants.index(entry.sender)
                summary.sent[index] = max(summary.sent.get(index, 0), entry.seq)
        self._work.set()

    def repair(self, conversation: str, head: int, updated_at: datetime) -> None:
        """A stored summary turned out to be behind its log."""
        summary = self._of(conversation)
        summary.head = max(summary.head, head)
        _touch(summary, updated_at)
        self._work.set()

    async def run(self) -> None:
        """Restore what a crash left behind; then write until cancelled."""
        await self._look_back()
        await whenever(self._work, self.write, after=self._interval)

    async def write(self) -> None:
        """Write what was noted. What cannot be written now stays noted, and is written later."""
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
        while True:
            try:
                recent = await self._entries.recent(LOOKED_BACK)
                participants = await self._inbox.participants(recent)
            except ServiceError:
                await asyncio.sleep(self._interval)
                continue
            for conversation, both in participants.items():
                self._restore(conversation, both, recent[conversation])
            return

    def _restore(self, conversation: str, participants: tuple[str, str], newest: Recent) -> None:
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

    def _put_back(self, summaries: dict[str, Summary]) -> None:
        for conversation, older in summaries.items():
            summary = self._of(conversation)
            summary.head = max(summary.head, older.head)
            if older.updated_at is not None:
                _touch(summary, older.updated_at)
            for index, seq in older.sent.items():
                summary.sent[index] = max(summary.sent.get(index, 0), seq)
        self._work.set()


def _touch(summary: Summary, moment: datetime) -> None:
    if summary.updated_at is None or summary.updated_at < moment:
        summary.updated_at = moment
