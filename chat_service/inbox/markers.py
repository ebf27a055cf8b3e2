"""How far participants have received and read, written behind and coalesced.

Markers only move forward, and never beyond the head. It must never know a socket.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from chat_service.inbox.store import InboxStore, Marker, Markers
from chat_service.log import Conversation, EntryStore, Heads
from shared.errors import ServiceError

COALESCE_SECONDS = 0.1
RETRY_SECONDS = 1.0
KNOWN = 50_000
"""Conversations whose markers are remembered, so that a repeated mark costs nothing."""

Tell = Callable[[Conversation, str, Marker], None]
"""(conversation, employee, marker): tell both participants that `employee` is here now."""

_Key = tuple[str, int]


class Marking:
    """Marks that are not yet written."""

    def __init__(self, inbox: InboxStore, entries: EntryStore, heads: Heads, tell: Tell) -> None:
        self._inbox = inbox
        self._entries = entries
        self._heads = heads
        self._tell = tell
        self._known: OrderedDict[str, Markers] = OrderedDict()
        self._marks: dict[_Key, tuple[Conversation, Marker]] = {}
        self._work = asyncio.Event()
        self._writing = False
        self._waiters: list[asyncio.Future[None]] = []

    def mark(
        self, employee: str, conversation: Conversation, received: int | None, read: int | None
    ) -> None:
        """Note a mark; it is written soon. Reading implies having received."""
        index = conversation.participants.index(employee)
        _, noted = self._marks.get((conversation.id, index), (None, Marker()))
        marker = _further(noted, Marker(max(received or 0, read or 0), read or 0))
        known = self._known.get(conversation.id)
        if known is not None:
            self._known.move_to_end(conversation.id)
        if known is None or _further(known[index], marker) != known[index]:
            self._marks[conversation.id, index] = (conversation, marker)
            self._work.set()

    async def of(self, conversation: Conversation) -> Markers:
        """The markers of `conversation`, as far as they are written. Raises `Unavailable`."""
        return (await self._inbox.markers([conversation.id]))[conversation.id]

    async def flushed(self) -> None:
        """Returns once everything that was marked is written. Raises `Unavailable`."""
        if self._marks or self._writing:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            self._work.set()
            await waiter

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            await asyncio.sleep(COALESCE_SECONDS)
            marks, self._marks = self._marks, {}
            waiters, self._waiters = self._waiters, []
            self._writing = True
            failure: ServiceError | None = None
            try:
                await self._write(marks)
            except ServiceError as error:
                failure = error
                self._put_back(marks)
            finally:
                self._writing = False
            for waiter in waiters:
                if waiter.done():
                    continue
                if failure is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(failure)
            if failure is not None:
                await asyncio.sleep(RETRY_SECONDS)

    async def _write(self, marks: dict[_Key, tuple[Conversation, Marker]]) -> None:
        await self._learn({conversation for conversation, _ in marks})
        heads = await self._heads_for(marks)
        forward: dict[_Key, Marker] = {}
        for (conversation, index), (_, marker) in marks.items():
            known = self._known.get(conversation)
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
            first, second = self._known[conversation]
            self._known[conversation] = (marker, second) if index == 0 else (first, marker)
            about = marks[conversation, index][0]
            self._tell(about, about.participants[index], marker)

    async def _learn(self, conversations: set[str]) -> None:
        """Know the markers of all of these that exist, and forget what was not used for longest."""
        unknown = conversations - self._known.keys()
        for conversation in conversations - unknown:
            self._known.move_to_end(conversation)
        if unknown:
            self._known.update(await self._inbox.markers(unknown))
        while len(self._known) > max(KNOWN, len(conversations)):
            self._known.popitem(last=False)

    async def _heads_for(self, marks: dict[_Key, tuple[Conversation, Marker]]) -> dict[str, int]:
        """Heads that are exact wherever a mark lies beyond the one that is remembered."""
        heads: dict[str, int] = {}
        doubtful: set[str] = set()
        for (conversation, _), (_, marker) in marks.items():
            head = self._heads.get(conversation)
            if head is None or head.seq < marker.received:
                doubtful.add(conversation)
            else:
                heads[conversation] = head.seq
        if doubtful:
            read = await self._entries.heads(doubtful)
            heads.update({conversation: head.seq for conversation, head in read.items()})
        return heads

    def _put_back(self, marks: dict[_Key, tuple[Conversation, Marker]]) -> None:
        for key, (conversation, marker) in marks.items():
            _, newer = self._marks.get(key, (None, Marker()))
            self._marks[key] = (conversation, _further(marker, newer))
        self._work.set()


def _further(one: Marker, other: Marker) -> Marker:
    return Marker(max(one.received, other.received), max(one.read, other.read))
