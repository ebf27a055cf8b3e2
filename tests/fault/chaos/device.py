"""A device that goes by what the chat service's README asks of a client, and records what it does.

It reconnects, resends in order, resumes, and applies an entry when it has everything before it. It
judges nothing: the rules do, from the records.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import cycle
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import aiohttp
from aiohttp import WSMsgType

from chat_service.log.conversation import between
from tests.fault.chaos.history import (
    Answered,
    Connected,
    Disconnected,
    Invoked,
    Kind,
    Outcome,
    Recorder,
    ResumeAsked,
    ResumeEnded,
    ResyncTold,
    Saw,
    SawMarker,
    SawTyping,
    Settled,
)
from tests.fault.chaos.ops import Event, Op, frame
from tests.fault.chaos.system import Entrance
from tests.support.system import Person

CONNECT_SECONDS = 15.0
RECONNECT_SECONDS = 0.2
HEARTBEAT_SECONDS = 8.0
LOST_CONNECTION = "connection lost"
CONNECTION_FAILURES = (aiohttp.ClientError, OSError, TimeoutError)
KINDS = {"message": Kind.MESSAGE, "edited": Kind.EDIT, "deleted": Kind.DELETE}


class Device:
    """One device of one employee, with several entrances to connect to, in turn."""

    def __init__(
        self, name: str, person: Person, entrances: Sequence[Entrance], recorder: Recorder
    ) -> None:
        self.name = name
        self.person = person
        self.outbox: dict[str, Op] = {}
        self.mine: dict[str, list[str]] = {}
        self.closes: list[int] = []
        self._entrances = cycle(entrances)
        self._recorder = recorder
        self._cursors: dict[str, int] = {}
        self._ahead: dict[str, set[int]] = {}
        self._ops: dict[str, Op] = {}
        self._said = 0
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._connection = 0
        self._instance = ""
        self._resuming: str | None = None
        self._resume_again = False
        self._waits_until = 0.0
        self._ghosts: list[aiohttp.ClientWebSocketResponse] = []
        self._later: set[asyncio.Task[None]] = set()
        self._work = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._receiving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._send_all())]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        tasks = [*self._tasks, *self._later]
        if self._receiving is not None:
            tasks.append(self._receiving)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.close()

    @property
    def online(self) -> bool:
        return self._ws is not None

    @property
    def calm(self) -> bool:
        """Connected, with nothing to send and nothing to catch up with."""
        return self.online and not self.outbox and self._resuming is None and not self._later

    @property
    def cursors(self) -> dict[str, int]:
        return dict(self._cursors)

    def say(self, to: Person, text: str) -> str:
        conversation = between(self.person.email, to.email).id
        return self._submit(Kind.MESSAGE, conversation, to.email, text, None)

    def edit(self, conversation: str, message: str, text: str) -> str:
        return self._submit(Kind.EDIT, conversation, "", text, message)

    def delete(self, conversation: str, message: str) -> str:
        return self._submit(Kind.DELETE, conversation, "", None, message)

    async def tell(self, op: Event) -> None:
        """Send something that has no answer; lost where there is no connection."""
        if self._ws is not None:
            await self._write(self._ws, op)

    def drop(self) -> None:
        """Lose the connection, and make another."""
        if self._receiving is not None:
            self._receiving.cancel()

    def vanish(self) -> None:
        """Be gone without a word: the server keeps a connection on which nobody reads."""
        if self._ws is not None:
            self._ghosts.append(self._ws)
            self.drop()

    def settle(self) -> None:
        """Record what it has, now that it should have everything."""
        self._recorder.add(
            Settled(self.name, self.person.email, self.cursors, at=self._recorder.now())
        )

    def _submit(
        self, kind: Kind, conversation: str, to: str, text: str | None, message: str | None
    ) -> str:
        self._said += 1
        op = Op(str(uuid4()), kind, conversation, to, text, message, self._said)
        self.outbox[op.id] = self._ops[op.id] = op
        self._work.set()
        return op.id

    async def _run(self) -> None:
        for entrance in self._entrances:
            self._receiving = asyncio.create_task(self._live(entrance))
            await asyncio.wait([self._receiving])
            error = None if self._receiving.cancelled() else self._receiving.exception()
            if error is not None and not isinstance(error, CONNECTION_FAILURES):
                raise error
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _live(self, entrance: Entrance) -> None:
        ws: aiohttp.ClientWebSocketResponse | None = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                ws = await self._http.ws_connect(
                    f"{entrance.url}/ws", max_msg_size=0, heartbeat=HEARTBEAT_SECONDS
                )
                await ws.send_json({"type": "auth", "token": self.person.token})
                first = await ws.receive()
            if first.type is not WSMsgType.TEXT or first.json()["type"] != "welcome":
                return
            await self._welcomed(ws, entrance)
            while (message := await ws.receive()).type is WSMsgType.TEXT:
                await self._take(ws, message.json())
        finally:
            self._lost(ws)

    async def _welcomed(self, ws: aiohttp.ClientWebSocketResponse, entrance: Entrance) -> None:
        self._connection = self._recorder.connection()
        self._instance = entrance.name
        self._add(Connected, entrance.name)
        self._resuming = None
        await self._resume(ws)
        self._ws = ws
        self._waits_until = 0.0
        self._work.set()

    def _lost(self, ws: aiohttp.ClientWebSocketResponse | None) -> None:
        if self._ws is not None:
            code = self._ws.close_code or 1006
            self.closes.append(code)
            self._add(Disconnected, code)
        self._ws = None
        self._resuming = None
        for op in self.outbox.values():
            if op.attempt is not None:
                self._answer(op, Outcome.UNKNOWN, code=LOST_CONNECTION)
        if ws is not None and ws not in self._ghosts:
            # No closing handshake: whoever is at the other end may be stopped.
            ws._response.close()

    async def _send_all(self) -> None:
        """Send what waits, in its order; after a refusal not before its time."""
        while True:
            await self._work.wait()
            self._work.clear()
            wait = self._waits_until - self._recorder.now()
            if wait > 0:
                await asyncio.sleep(wait)
            ws = self._ws
            if ws is None:
                continue
            for op in list(self.outbox.values()):
                if ws is not self._ws or self._waits_until > self._recorder.now():
                    self._work.set()
                    break
                if op.attempt is None and op.id in self.outbox:
                    self._invoke(op)
                    await self._write(ws, frame(op))

    def _invoke(self, op: Op) -> None:
        op.attempt = op.last_attempt = self._recorder.attempt()
        self._recorder.add(
            Invoked(
                op.attempt,
                self.name,
                self.person.email,
                self._instance,
                op.conversation,
                op.id,
                op.kind,
                op.text,
                op.message,
                op.place,
                at=self._recorder.now(),
            )
        )

    async def _take(self, ws: aiohttp.ClientWebSocketResponse, event: Event) -> None:
        match event["type"]:
            case "message" | "edited" | "deleted":
                await self._saw(ws, event)
            case "ack" if event.get("id") in self._ops:
                self._acknowledged(self._ops[event["id"]], event)
            case "error":
                await self._refused(ws, event)
            case "resync":
                self._add(ResyncTold)
                await self._resume(ws)
            case "resumed":
                await self._resumed(ws, event)
            case "marker":
                self._add(
                    SawMarker,
                    event["conversation"],
                    event["employee"],
                    event["received"],
                    event["read"],
                )
            case "typing":
                self._add(SawTyping, event["conversation"])

    async def _saw(self, ws: aiohttp.ClientWebSocketResponse, event: Event) -> None:
        conversation, seq = event["conversation"], event["seq"]
        self._add(
            Saw,
            conversation,
            seq,
            event["id"],
            event["sender"],
            KINDS[event["type"]],
            event.get("text"),
            event.get("message"),
        )
        if self._have(conversation, seq) < seq and self._resuming is None:
            await self._resume(ws)

    def _have(self, conversation: str, seq: int) -> int:
        """Note an entry; returns the cursor."""
        cursor = self._cursors.get(conversation, 0)
        ahead = self._ahead.setdefault(conversation, set())
        if seq > cursor:
            ahead.add(seq)
        while cursor + 1 in ahead:
            cursor += 1
            ahead.remove(cursor)
        self._cursors[conversation] = cursor
        return cursor

    def _acknowledged(self, op: Op, ack: Event) -> None:
        self._answer(op, Outcome.ACKNOWLEDGED, ack["conversation"], ack["seq"])
        self._have(ack["conversation"], ack["seq"])
        if self.outbox.pop(op.id, None) is not None and op.kind is Kind.MESSAGE:
            self.mine.setdefault(op.conversation, []).append(op.id)

    async def _refused(self, ws: aiohttp.ClientWebSocketResponse, error: Event) -> None:
        id = error.get("id")
        wait = error.get("retry_after_ms")
        if id is not None and id == self._resuming:
            self._resuming = None
            self._add(ResumeEnded, {}, True)
            task = asyncio.create_task(self._resume_after((wait or 1000) / 1000, ws))
            self._later.add(task)
            task.add_done_callback(self._later.discard)
        elif (op := self.outbox.get(id or "")) is not None:
            if wait is None:
                self._answer(op, Outcome.REFUSED, code=error["code"])
                del self.outbox[op.id]
                return
            self._answer(op, Outcome.UNKNOWN, code=error["code"])
            self._waits_until = self._recorder.now() + wait / 1000
            self._work.set()

    def _answer(
        self,
        op: Op,
        outcome: Outcome,
        conversation: str | None = None,
        seq: int | None = None,
        code: str = "",
    ) -> None:
        attempt, op.attempt = op.attempt or op.last_attempt, None
        self._recorder.add(
            Answered(
                attempt,
                self.name,
                op.id,
                conversation or op.conversation,
                outcome,
                seq,
                code,
                at=self._recorder.now(),
            )
        )

    async def _resume(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        if self._resuming is not None:
            self._resume_again = True
            return
        self._resuming = str(uuid4())
        self._resume_again = False
        self._add(ResumeAsked, self.cursors)
        await self._write(ws, {"type": "resume", "cursors": self.cursors, "id": self._resuming})

    async def _resume_after(self, seconds: float, ws: aiohttp.ClientWebSocketResponse) -> None:
        await asyncio.sleep(seconds)
        if ws is self._ws:
            await self._resume(ws)

    async def _resumed(self, ws: aiohttp.ClientWebSocketResponse, event: Event) -> None:
        self._resuming = None
        states = event["conversations"]
        complete = {one: state["head"] for one, state in states.items() if state["complete"]}
        self._add(ResumeEnded, complete)
        for conversation, state in states.items():
            cursor = self._cursors.setdefault(conversation, 0)
            if not state["complete"] and cursor < state["head"]:
                self._resume_again = True
        if self._resume_again:
            await self._resume(ws)

    async def _write(self, ws: aiohttp.ClientWebSocketResponse, op: Event) -> None:
        """What is lost with the connection is sent again on the next one."""
        try:
            await ws.send_json(op)
        except (aiohttp.ClientError, OSError):
            return

    def _add(self, record: Callable[..., Any], *fields: object) -> None:
        self._recorder.add(
            record(
                self.name,
                self.person.email,
                self._connection,
                *fields,
                at=self._recorder.now(),
            )
        )
