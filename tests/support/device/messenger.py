"""A client as the chat service's README asks for one, and no more than that."""

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol, Self
from uuid import uuid4

from picows import WSError

from tests.support.device.backoff import Backoff
from tests.support.device.frames import (
    NO_CLOSE_FRAME,
    AnyFrame,
    Closed,
    Event,
    Failed,
    Opened,
    Received,
    Sent,
)
from tests.support.device.line import CONNECT_SECONDS, Line, State
from tests.support.device.outbox import Outbox
from tests.support.device.positions import Positions

PATIENCE_SECONDS = 60.0
ACK_SECONDS = 30.0
"""A connection on which an op has no answer for so long is given up."""
LOOK_EVERY_SECONDS = 5.0
LEAVE_SECONDS = 30.0
TIMER_SECONDS = 0.01
"""A timer may be early by less."""
GAP_SECONDS = 0.5
"""A gap has so long to fill by itself, twice as long after a resume that did not help."""
LONGEST_GAP_SECONDS = 8.0
RETRY_MS = 1000
"""After a resume that was refused and may not be repeated at once; no client expects that."""
FINAL_CODES = frozenset({4502, 4503, 4504})
"""To connect again would change nothing."""


class Account(Protocol):
    """Somebody who has logged in."""

    @property
    def email(self) -> str: ...
    @property
    def token(self) -> str: ...


class Messenger:
    """One device: it reconnects, sends what has no answer again in its order, and resumes.

    It keeps nothing but what that takes, so thousands fit into a process; subclasses see every
    frame in `record`. It judges nothing. Where a resume was not complete it resumes again from
    where that got, since tests want every entry; an app would load the newest page.
    """

    def __init__(
        self, person: Account, urls: Iterator[str], *, heartbeat: float | None = None
    ) -> None:
        """`urls` are where it connects to, the next one each time. `heartbeat`: see `Line.open`."""
        self.person = person
        self.outbox = Outbox()
        self.positions = Positions()
        self._urls = urls
        self._open = partial(Line.open, opened=self._opened, take=self._take, heartbeat=heartbeat)
        self._line: Line | None = None
        self._resuming: str | None = None
        self._resume_again = False
        self._catching_up: asyncio.TimerHandle | None = None
        self._fruitless = 0
        self._backoff = Backoff()
        self._news = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._forsaken: list[Line] = []

    async def __aenter__(self) -> Self:
        await self.join()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def join(self) -> None:
        """Returns when it is connected and has caught up. Raises AssertionError where that takes
        too long; it goes on trying then, until `leave`."""
        self._running = asyncio.create_task(self._run())
        await self.until(lambda: self.online and not self.resuming)

    async def leave(self, *, vanish: bool = False) -> None:
        """Close the connection, or end it as a crash would. What waits stays in the outbox."""
        if self._line is not None and not vanish:
            await self._line.close(LEAVE_SECONDS)
        for line in (self._line, *self._forsaken):
            if line is not None:
                line.cut()
        self._forsaken.clear()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    @property
    def online(self) -> bool:
        return self._line is not None and self._line.ready

    @property
    def url(self) -> str | None:
        """Where it is connected."""
        return self._line.url if self._line is not None else None

    @property
    def resuming(self) -> bool:
        return self._resuming is not None

    @property
    def calm(self) -> bool:
        """Connected, with nothing to send and nothing to catch up with."""
        return self.online and not self.outbox and not self.resuming

    def say(self, to: Account, text: str) -> str:
        """Send a message, now or when there is a connection; returns its id."""
        return self._ask({"type": "send", "to": to.email, "text": text})

    def edit(self, conversation: str, message: str, text: str) -> str:
        about = {"conversation": conversation, "message": message}
        return self._ask({"type": "edit", "text": text, **about})

    def delete(self, conversation: str, message: str) -> str:
        return self._ask({"type": "delete", "conversation": conversation, "message": message})

    def tell(self, op: Event) -> None:
        """Send something that has no answer; lost where there is no connection."""
        if self._line is not None and self._line.ready:
            self._send(self._line, op)

    def drop(self) -> None:
        """Lose the connection, and make another."""
        if self._line is not None:
            self._line.cut()

    def vanish(self) -> None:
        """Make another connection, and leave the present one open with nobody who reads it."""
        if self._line is not None:
            self._forsaken.append(self._line)
            self._line.forsake()

    def stop_reading(self) -> None:
        """Leave what comes to the kernel's buffers, until `go_on_reading`."""
        assert self._line is not None
        self._line.stop_reading()

    def go_on_reading(self) -> None:
        assert self._line is not None
        self._line.go_on_reading()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns when `condition` holds; it is looked at after whatever happens to the device.

        Raises AssertionError where it did not come in time, or cannot come any more.
        """
        assert self._running is not None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not condition():
                    if self._running.done():
                        self._running.result()
                        raise AssertionError(f"the device has given up: {self.state}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"it did not come: {self.state}") from None

    @property
    def state(self) -> str:
        """For whoever reads a failure."""
        return (
            f"{self.person.email} at {self.url}: cursors {list(self.positions.cursors.values())},"
            f" {len(self.outbox)} unanswered"
        )

    def record(self, frame: AnyFrame) -> None:
        """For subclasses: called with every frame, before it has an effect."""

    async def _run(self) -> None:
        try:
            for url in self._urls:
                began_at = time.monotonic()
                code = await self._live(url)
                if code in FINAL_CODES:
                    return
                now = time.monotonic()
                await asyncio.sleep(self._backoff.seconds(now, now - began_at, code))
        finally:
            self._news.set()

    async def _live(self, url: str) -> int:
        """One connection, from its beginning to its end. Returns the close code."""
        try:
            line = await self._open(url)
        except (OSError, TimeoutError, WSError) as error:
            self.record(Failed(time.monotonic(), url, f"{type(error).__name__} {error}"))
            return NO_CLOSE_FRAME
        try:
            await self._watch(line)
        finally:
            self._line = None
            self._resuming = None
            self._resume_again = False
            self.outbox.lost()
            self.record(Closed(time.monotonic(), line.code))
            self._news.set()
        return line.code

    def _opened(self, line: Line) -> None:
        self._line = line
        self.record(Opened(time.monotonic(), line.url))
        self._send(line, {"type": "auth", "token": self.person.token})

    async def _watch(self, line: Line) -> None:
        """Returns when the line has ended; it is given up where the answer to `auth`, or to an op,
        does not come."""
        patience = CONNECT_SECONDS
        while not line.ended.done():
            await asyncio.wait([line.ended], timeout=patience)
            patience = LOOK_EVERY_SECONDS
            since = self.outbox.unanswered_since()
            overdue = since is not None and time.monotonic() > since + ACK_SECONDS
            if overdue or line.state is State.NEW:
                line.cut()
        line.ended.result()

    def _take(self, event: Event) -> None:
        assert self._line is not None
        self.record(Received(time.monotonic(), event))
        match event["type"]:
            case "welcome":
                self._line.state = State.READY
                self._resume()
                self._pump()
            case "message" | "edited" | "deleted":
                self._fruitless = 0
                if not self.positions.add(event["conversation"], event["seq"]):
                    self._catch_up_later(GAP_SECONDS)
            case "head":
                conversation, seq = event["conversation"], event["seq"]
                self.positions.heads[conversation] = seq
                if self.positions.lags(conversation):
                    self._catch_up()
            case "ack":
                self.outbox.answered(event["id"])
                self._pump()
                if not self.positions.add(event["conversation"], event["seq"]):
                    self._catch_up_later(GAP_SECONDS)
            case "error":
                self._refused(event)
            case "resync":
                self._resume()
            case "resumed":
                self._resumed(event)
            case "going_away":
                self._line.state = State.CLOSING
                self._backoff.ask(time.monotonic() + event["reconnect_after_ms"] / 1000)
        self._news.set()

    def _refused(self, error: Event) -> None:
        id: str = error.get("id", "")
        retry_ms: int | None = error.get("retry_after_ms")
        later = asyncio.get_running_loop().call_later
        if id and id == self._resuming:
            later((retry_ms or RETRY_MS) / 1000, self._resume_anew, id)
        elif id in self.outbox and retry_ms is None:
            self.outbox.answered(id)
            self._pump()
        elif id in self.outbox and retry_ms is not None:
            self.outbox.refused(id, time.monotonic() + retry_ms / 1000)
            later(retry_ms / 1000 + TIMER_SECONDS, self._pump)

    def _resume(self) -> None:
        """Resume all conversations."""
        self._begin_resume(only=False)

    def _catch_up_later(self, seconds: float) -> None:
        if self._catching_up is None:
            later = asyncio.get_running_loop().call_later
            self._catching_up = later(seconds, self._catch_up)

    def _catch_up(self) -> None:
        """Resume what lags, unless it has come meanwhile."""
        if self._catching_up is not None:
            self._catching_up.cancel()
            self._catching_up = None
        if self.online and any(map(self.positions.lags, self.positions.cursors)):
            self._begin_resume(only=True)

    def _begin_resume(self, *, only: bool) -> None:
        if self._resuming is not None:
            self._resume_again = self._resume_again or not only
            return
        if not only:
            self._resume_again = False
        self._resuming = str(uuid4())
        positions = self.positions
        cursors = {
            conversation: cursor
            for conversation, cursor in positions.cursors.items()
            if not only or positions.lags(conversation)
        }
        self.tell({"type": "resume", "cursors": cursors, "only": only, "id": self._resuming})

    def _resume_anew(self, refused: str) -> None:
        if self._resuming == refused:
            self._resuming = None
            self._resume()
            self._news.set()

    def _resumed(self, event: Event) -> None:
        self._resuming = None
        positions = self.positions
        for conversation, state in event["conversations"].items():
            positions.heads[conversation] = state["head"]
            if positions.know(conversation) < state["head"] and not state["complete"]:
                self._resume_again = True
        if self._resume_again:
            self._resume()
        elif any(map(positions.lags, positions.cursors)):
            self._catch_up_later(min(GAP_SECONDS * 2**self._fruitless, LONGEST_GAP_SECONDS))
            self._fruitless += 1

    def _ask(self, op: Event) -> str:
        op["id"] = id = str(uuid4())
        self.outbox.add(op)
        self._pump()
        return id

    def _pump(self) -> None:
        if self._line is not None and self._line.ready:
            for op in self.outbox.due(time.monotonic()):
                self._send(self._line, op)

    def _send(self, line: Line, op: Event) -> None:
        self.record(Sent(time.monotonic(), op))
        line.send(op)
