"""How far participants have received and read, coalesced and written behind.

Markers only move forward, and never beyond the head. It must never know a socket.
"""

import asyncio
from collections.abc import Callable

from cachetools import LRUCache

from chat_service.inbox.store import InboxStore, Marker, Markers
from chat_service.log import Conversation, EntryStore, Heads
from shared.tasks import whenever

COALESCE_SECONDS = 0.1
KNOWN = 50_000
"""Conversations whose markers are remembered, so that a repeated mark costs nothing. The least
recently marked is forgotten first."""

Tell = Callable[[Conversation, str, Marker], None]
"""(conversation, employee, marker): tell both participants that `employee` has come this far."""

_Key = tuple[str, int]
"""(conversation, index of the participant)."""
_Marks = dict[_Key, tuple[Conversation, Marker]]


class Marking:
    """Moves markers."""

    def __init__(self, inbox: InboxStore, entries: EntryStore, heads: Heads, tell: Tell) -> None:
        self._inbox = inbox
        self._entries = entries
        self._heads = heads
        self._tell = tell
        self._known: LRUCache[str, Markers] = LRUCache(KNOWN)
        self._unwritten: _Marks = {}
        self._work = asyncio.Event()
        self._waiters: list[asyncio.Future[None]] = []

    def mark(
        self, employee: str, conversation: Conversation, received: int | None, read: int | None
    ) -> None:
        """Note a mark, which is written soon. Who has read has also received."""
        index = conversation.participants.index(employee)
        _, noted = self._unwritten.get((conversation.id, index), (None, Marker()))
        marker = _further(noted, Marker(max(received or 0, read or 0), read or 0))
        known = self._known.get(conversation.id)
        if known is None or _further(known[index], marker) != known[index]:
            self._unwritten[conversation.id, index] = (conversation, marker)
            self._work.set()

    async def flushed(self) -> None:
        """Returns once everything that was marked is written. Raises `Unavailable`."""
        if self._unwritten:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            self._work.set()
            await waiter

    async def of(self, conversation: Conversation) -> Markers:
        """The markers of `conversation` that are written. Raises `Unavailable`."""
        return (await self._inbox.markers([conversation.id]))[conversation.id]

    async def run(self) -> None:
        """Write until cancelled."""
        await whenever(self._work, self._flush, after=COALESCE_SECONDS)

    async def _flush(self) -> None:
        """Write what is noted. If that fails it stays noted, and those who wait get the error."""
        marks = dict(self._unwritten)
        waiters, self._waiters = self._waiters, []
        try:
            await self._write(marks)
        except Exception as error:
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(error)
            raise
        for key, mark in marks.items():
            if self._unwritten[key] is mark:  # else it was marked again in the meantime
                del self._unwritten[key]
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _write(self, marks: _Marks) -> None:
        markers = await self._markers_for({conversation for conversation, _ in marks})
        heads = await self._heads_for(marks)
        forward: dict[_Key, Marker] = {}
        for (conversation, index), (_, marker) in marks.items():
            known = markers.get(conversation)
            if known is None:
                continue
            head = heads[conversation]
            wanted = Marker(min(marker.received, head), min(marker.read, head))
            moved = _further(known[index], wanted)
            if moved != known[index]:
                forward[conversation, index] = moved
        if not forward:
            return
        await self._inbox.mark(forward)
        for (conversation, index), marker in forward.items():
            first, second = markers[conversation]
            markers[conversation] = (marker, second) if index == 0 else (first, marker)
            self._known[conversation] = markers[conversation]
            about = marks[conversation, index][0]
            self._tell(about, about.participants[index], marker)

    async def _markers_for(self, conversations: set[str]) -> dict[str, Markers]:
        """The markers of these conversations, as far as they exist."""
        found = {id: known for id in conversations if (known := self._known.get(id)) is not None}
        unknown = conversations - found.keys()
        if unknown:
            read = await self._inbox.markers(unknown)
            self._known.update(read)
            found |= read
        return found

    async def _heads_for(self, marks: _Marks) -> dict[str, int]:
        """The heads, exact wherever a mark is beyond the remembered one."""
        heads: dict[str, int] = {}
        unsure: set[str] = set()
        for (conversation, _), (_, marker) in marks.items():
            head = self._heads.get(conversation)
            if head is None or head.seq < marker.received:
                unsure.add(conversation)
            else:
                heads[conversation] = head.seq
        if unsure:
            read = await self._entries.heads(unsure)
            heads.update({conversation: head.seq for conversation, head in read.items()})
        return heads


def _further(one: Marker, other: Marker) -> Marker:
    return Marker(max(one.received, other.received), max(one.read, other.read))
