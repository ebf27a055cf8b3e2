"""A device as a good client is built: it reconnects, resends, resumes, and shows each entry once.

Its cursor of a conversation is the number up to which it has everything; only the entry after it is
shown. What it gets that contradicts the promises of the service fails the test that waits on it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import uuid4

import aiohttp
from aiohttp import WSMsgType

from chat_service.log.conversation import between
from tests.support.system import Person

Event = dict[str, Any]

PATIENCE_SECONDS = 30.0
RECONNECT_SECONDS = 0.05
PACE_SECONDS = 0.005
"""Between two messages of a talk: traffic, not a benchmark."""
WINDOW = 32
"""Unanswered messages of a talk."""


class Shown(NamedTuple):
    """An entry as the user sees it; its place in the view is its `seq`."""

    seq: int
    id: str
    sender: str
    text: str


class Device:
    """One device of one employee, with several addresses to connect to, in turn.

    `outbox` are the messages that have no answer, in their order; `acks` maps ids to
    conversation and position.
    `resyncs` counts the server's requests to resume, `gaps` the times that the device saw that it
    missed something, `repeats` the entries of others that came twice outside of a resume.
    """

    def __init__(self, person: Person, *urls: str) -> None:
        self.person = person
        self.views: dict[str, list[Shown]] = {}
        self.outbox: dict[str, tuple[str, str]] = {}
        self.acks: dict[str, tuple[str, int]] = {}
        self.refusals: list[Event] = []
        self.farewells: list[Event] = []
        self.closes: list[int] = []
        self.resyncs = 0
        self.gaps = 0
        self.repeats = 0
        self.url: str | None = None
        self._urls = cycle(urls)
        self._ahead: dict[str, dict[int, Shown]] = {}
        self._sent: dict[str, str] = {}
        self._resuming: str | None = None
        self._resume_again = False
        self._refused: set[str] = set()
        self._resending: asyncio.Task[None] | None = None
        self._resuming_later: asyncio.Task[None] | None = None
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._order = asyncio.Lock()
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        self._running = asyncio.create_task(self._run())
        await self.until(lambda: self.online and self._resuming is None)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        later = self._resending, self._resuming_later
        tasks = [self._running, *(task for task in later if task is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.close()

    @property
    def online(self) -> bool:
        return self._ws is not None

    @property
    def cursors(self) -> dict[str, int]:
        return {conversation: len(view) for conversation, view in self.views.items()}

    def view(self, other: Person) -> list[Shown]:
        """What it shows of the conversation with `other`."""
        return self.views.get(between(self.person.email, other.email).id, [])

    async def say(self, to: Person, text: str) -> str:
        """Send a message, now or when there is a connection; returns its id."""
        id = str(uuid4())
        async with self._order:
            self.outbox[id] = (to.email, text)
            self._sent[id] = text
            if self._ws is not None:
                await self._write(self._ws, self._message(id))
        return id

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns when `condition` holds; it is looked at after whatever happens to the device."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._news:
                await self._news.wait_for(lambda: self._running.done() or condition())
        except TimeoutError:
            raise AssertionError(f"it did not come: {self.state}") from None
        if self._running.done() and not condition():
            self._running.result()
            raise AssertionError(f"the device has given up: {self.state}")

    @property
    def state(self) -> str:
        return (
            f"{self.person.email} at {self.url}: cursors {list(self.cursors.values())},"
            f" {len(self.outbox)} unanswered, {len(self.acks)} acknowledged, closed {self.closes},"
            f" {self.resyncs} resyncs, {self.gaps} gaps, last refusals {self.refusals[-2:]}"
        )

    async def _run(self) -> None:
        try:
            while not self.closes or self.closes[-1] < 4500:
                self.url = next(self._urls)
                try:
                    await self._live(self.url)
                except (aiohttp.ClientError, OSError):
                    await asyncio.sleep(RECONNECT_SECONDS)
                finally:
                    self._ws = None
                    self._resuming = None
                    async with self._news:
                        self._news.notify_all()
        finally:
            async with self._news:
                self._news.notify_all()

    async def _live(self, url: str) -> None:
        async with self._http.ws_connect(f"{url}/ws", max_msg_size=0) as ws:
            await ws.send_json({"type": "auth", "token": self.person.token})
            while (message := await ws.receive()).type is WSMsgType.TEXT:
                event: Event = message.json()
                async with self._news:
                    await self._take(ws, event)
                    self._news.notify_all()
            self.closes.append(ws.close_code or 1006)

    async def _take(self, ws: aiohttp.ClientWebSocketResponse, event: Event) -> None:
        match event["type"]:
            case "welcome":
                await self._resume(ws)
                async with self._order:
                    for id in self.outbox:
                        await self._write(ws, self._message(id))
                    self._ws = ws
            case "message":
                if not self._show(event["conversation"], _shown(event)):
                    self.gaps += 1
                    await self._resume(ws)
            case "ack":
                self._acknowledged(event)
            case "error":
                self._refuse(ws, event)
            case "resync":
                self.resyncs += 1
                await self._resume(ws)
            case "resumed":
                await self._resumed(ws, event)
            case "going_away":
                self.farewells.append(event)

    def _show(self, conversation: str, entry: Shown) -> bool:
        """Whether it can be shown, or was; False where something before it is missing."""
        view = self.views.setdefault(conversation, [])
        if entry.seq <= len(view):
            present = view[entry.seq - 1]
            assert present == entry, f"{entry} came where {present} was"
            if self._resuming is None and entry.sender != self.person.email:
                self.repeats += 1
            return True
        ahead = self._ahead.setdefault(conversation, {})
        self._show_ready(view, ahead)
        if entry.seq > len(view) + 1:
            return False
        if entry.seq == len(view) + 1:
            view.append(entry)
        self._show_ready(view, ahead)
        return True

    def _show_ready(self, view: list[Shown], ahead: dict[int, Shown]) -> None:
        """Own messages are acknowledged before what lies between has come."""
        while (entry := ahead.pop(len(view) + 1, None)) is not None:
            view.append(entry)

    def _acknowledged(self, ack: Event) -> None:
        id = ack["id"]
        if id not in self._sent:
            return
        conversation, seq = place = ack["conversation"], ack["seq"]
        assert self.acks.setdefault(id, place) == place, f"{id} was acknowledged with two positions"
        self.outbox.pop(id, None)
        self._refused.discard(id)
        view = self.views.setdefault(conversation, [])
        entry = Shown(seq, id, self.person.email, self._sent[id])
        if seq <= len(view):
            assert view[seq - 1] == entry, f"{entry} is acknowledged where {view[seq - 1]} was"
        else:
            ahead = self._ahead.setdefault(conversation, {})
            assert ahead.setdefault(seq, entry) == entry
            self._show_ready(view, ahead)

    def _refuse(self, ws: aiohttp.ClientWebSocketResponse, error: Event) -> None:
        self.refusals.append(error)
        id = error.get("id")
        if id is not None and id == self._resuming:
            wait = error["retry_after_ms"] / 1000
            self._resuming_later = asyncio.create_task(self._resume_after(wait, ws, id))
        elif id not in self.outbox:
            return
        elif "retry_after_ms" not in error:
            del self.outbox[id]
        else:
            self._refused.add(id)
            if self._resending is None or self._resending.done():
                wait = error["retry_after_ms"] / 1000
                self._resending = asyncio.create_task(self._resend_after(wait))

    async def _resend_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        async with self._order:
            refused, self._refused = self._refused, set()
            for id in [id for id in self.outbox if id in refused]:
                if self._ws is not None:
                    await self._write(self._ws, self._message(id))

    async def _resume(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        if self._resuming is not None:
            self._resume_again = True
            return
        self._resuming = str(uuid4())
        self._resume_again = False
        await self._write(ws, {"type": "resume", "cursors": self.cursors, "id": self._resuming})

    async def _resume_after(
        self, seconds: float, ws: aiohttp.ClientWebSocketResponse, refused: str
    ) -> None:
        await asyncio.sleep(seconds)
        if self._resuming == refused:
            self._resuming = None
            await self._resume(ws)

    async def _resumed(self, ws: aiohttp.ClientWebSocketResponse, event: Event) -> None:
        assert event["id"] == self._resuming
        self._resuming = None
        for conversation, state in event["conversations"].items():
            view = self.views.setdefault(conversation, [])
            self._show_ready(view, self._ahead.setdefault(conversation, {}))
            if state["complete"]:
                assert len(view) >= state["head"], f"resumed, but incomplete: {self.state}"
            elif len(view) < state["head"]:
                self._resume_again = True
        if self._resume_again:
            await self._resume(ws)

    def _message(self, id: str) -> Event:
        to, text = self.outbox[id]
        return {"type": "send", "id": id, "to": to, "text": text}

    async def _write(self, ws: aiohttp.ClientWebSocketResponse, op: Event) -> None:
        """What is lost with the connection is sent again on the next one."""
        try:
            await ws.send_json(op)
        except (aiohttp.ClientError, OSError):
            return


@asynccontextmanager
async def talking(
    device: Device, to: Person, name: str, pace: float = PACE_SECONDS
) -> AsyncIterator[None]:
    """While the block runs, `device` says "name 0", "name 1" ... to `to`; in the end it has all
    answers."""
    enough = asyncio.Event()

    async def talk() -> None:
        number = 0
        while not enough.is_set():
            await device.until(lambda: len(device.outbox) < WINDOW or enough.is_set())
            await device.say(to, f"{name} {number}")
            number += 1
            await asyncio.sleep(pace)

    task = asyncio.create_task(talk())
    try:
        yield
    finally:
        enough.set()
        async with device._news:
            device._news.notify_all()
        await task
    await device.until(lambda: not device.outbox)


async def shows_all(devices: Iterable[Device], other: Person, count: int) -> None:
    """Returns when each of them shows `count` entries of its conversation with `other`."""
    for device in devices:
        await device.until(lambda device=device: len(device.view(other)) >= count)  # type: ignore[misc]


def assert_exact(
    history: Sequence[dict[str, Any]], mine: Sequence[Device], theirs: Sequence[Device]
) -> None:
    """The history is numbered 1, 2, 3 ...; each id is there once; every acknowledgement is true;
    and each device shows just that."""
    entries = [_shown(message) for message in history]
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    conversation = between(mine[0].person.email, theirs[0].person.email).id
    at = {entry.id: entry.seq for entry in entries}
    assert len(at) == len(entries)
    for devices, others in ((mine, theirs), (theirs, mine)):
        for device in devices:
            assert device.view(others[0].person) == entries
            assert device.repeats == 0
            acks = {id: seq for id, (where, seq) in device.acks.items() if where == conversation}
            assert acks.items() <= at.items()
            assert not device.outbox


def assert_in_order_of_sending(device: Device, other: Person) -> None:
    """Every talk in the conversation has its numbers in their order, none left out."""
    talks: dict[str, list[int]] = {}
    for entry in device.view(other):
        name, number = entry.text.rsplit(" ", 1)
        talks.setdefault(name, []).append(int(number))
    for numbers in talks.values():
        assert numbers == list(range(len(numbers)))


def _shown(event: Event) -> Shown:
    return Shown(event["seq"], event["id"], event["sender"], event["text"])
