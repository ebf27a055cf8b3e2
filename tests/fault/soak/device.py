"""Devices that come and go as people's do, and account for every message."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from random import Random
from uuid import UUID

import msgspec
from msgspec import Struct
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from chat_service import protocol
from chat_service.protocol.events import (
    Ack,
    Deleted,
    Edited,
    Error,
    GoingAway,
    Message,
    Resumed,
    Resync,
    ServerEvent,
    Welcome,
)
from tests.bench.stage import Person

ONLINE_SECONDS = 40.0
AWAY_SECONDS = 8.0
TALK_SECONDS = 6.0
"""Means of exponential distributions: of a connection, between two, and between two messages."""
IDLE = 0.3
"""Of all connections: they say nothing."""
VANISHING = 0.5
"""Of all connections: they end without a close frame."""
PATIENCE_SECONDS = 60.0

_events = msgspec.json.Decoder(ServerEvent)
_encode = msgspec.json.Encoder().encode


class Tally(Struct):
    """What all devices have done, and `faults`: what no device may ever see."""

    connects: int = 0
    refused: int = 0
    sent: int = 0
    acked: int = 0
    delivered: int = 0
    resumed: int = 0
    lost_connections: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    def fault(self, what: str) -> None:
        if len(self.faults) < 20:
            self.faults.append(what)


class Device:
    """One person's only device. It has everything of its conversation up to `cursor`; `beyond` are
    later positions that came first. `outbox` is what was sent and not acknowledged, in order."""

    def __init__(
        self, person: Person, other: Person, conversation: str, tally: Tally, random: Random
    ) -> None:
        self.person = person
        self.conversation = conversation
        self.tally = tally
        self.cursor = 0
        self.head = 0
        self.sent = 0
        self.beyond: set[int] = set()
        self.outbox: OrderedDict[UUID, bytes] = OrderedDict()
        self._other = other.email
        self._random = random

    async def live(self, urls: Sequence[str], until: asyncio.Event) -> None:
        """Come and go until it is time, then leave."""
        await self._wait(self._random.uniform(0, AWAY_SECONDS), until)
        while not until.is_set():
            socket = await self._connect(self._random.choice(urls))
            if socket is not None:
                await self._online(socket, until)
                await socket.leave(vanish=self._random.random() < VANISHING)
            await self._wait(self._random.expovariate(1 / AWAY_SECONDS), until)

    async def settle(self, url: str) -> None:
        """Once more, to send what is left and to hear what was missed."""
        socket = await self._connect(url)
        if socket is None:
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await socket.answered.wait()
        except TimeoutError:
            self.tally.fault(f"{len(self.outbox)} messages were not acknowledged")
        await socket.leave(vanish=False)

    async def catch_up(self, url: str) -> None:
        """When nobody writes any more: everything up to the head."""
        socket = await self._connect(url)
        if socket is None:
            return
        await socket.leave(vanish=False)
        if self.cursor != self.head or self.beyond:
            self.tally.fault(f"has {self.cursor} of {self.head}, and {len(self.beyond)} beyond")

    def saw(self, seq: int, *, once: bool) -> None:
        """An entry came; with `once` it must not have come before."""
        if seq <= self.cursor or seq in self.beyond:
            if once:
                self.tally.fault(f"entry {seq} came again after {self.cursor}")
            return
        self.beyond.add(seq)
        while self.cursor + 1 in self.beyond:
            self.cursor += 1
            self.beyond.remove(self.cursor)

    async def _connect(self, url: str) -> "_Socket | None":
        """Authenticated and caught up; None where it was not to be."""
        socket = _Socket(self)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await ws_connect(
                    lambda: socket,
                    f"{url.replace('http', 'ws', 1)}/ws",
                    extra_headers=self.person.headers,
                )
                await socket.ready.wait()
        except Exception as error:  # whatever it is: nobody may be refused
            self.tally.refused += 1
            self.tally.fault(f"could not connect: {type(error).__name__} {error}")
            return None
        self.tally.connects += 1
        for frame in self.outbox.values():
            socket.say(frame)
        return socket

    async def _online(self, socket: "_Socket", until: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._random.expovariate(1 / ONLINE_SECONDS)
        idle = self._random.random() < IDLE
        while not until.is_set() and not socket.gone.is_set():
            left = ends - loop.time()
            if left <= 0:
                return
            pause = left if idle else min(left, self._random.expovariate(1 / TALK_SECONDS))
            await self._wait(pause, until)
            if not idle and loop.time() < ends and not socket.gone.is_set():
                self._talk(socket)

    def _talk(self, socket: "_Socket") -> None:
        chance = self._random.random()
        if chance < 0.2:
            socket.say(_encode(protocol.Typing(self._other, active=True)))
        elif chance < 0.4:
            socket.say(_encode(protocol.Mark(self.conversation, self.cursor, self.cursor)))
        else:
            id = UUID(int=self._random.getrandbits(128), version=4)
            frame = _encode(protocol.Send(id, self._other, f"message {self.sent}, as people write"))
            self.outbox[id] = frame
            self.sent += 1
            self.tally.sent += 1
            socket.say(frame)

    @staticmethod
    async def _wait(seconds: float, until: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(seconds):
                await until.wait()
        except TimeoutError:
            return


class _Socket(WSListener):
    """A connection of a device. `ready` when it was caught up, `answered` when every message was
    acknowledged, `gone` when it has ended."""

    def __init__(self, device: Device) -> None:
        self.ready = asyncio.Event()
        self.gone = asyncio.Event()
        self.answered = asyncio.Event()
        self._device = device
        self._leaving = False
        self._resuming = True
        self._transport: WSTransport | None = None

    def say(self, frame: bytes) -> None:
        if self._transport is not None and not self.gone.is_set():
            self._transport.send(WSMsgType.TEXT, frame)

    async def leave(self, *, vanish: bool) -> None:
        self._leaving = True
        if self._transport is None or self.gone.is_set():
            return
        if vanish:
            self._transport.disconnect(graceful=False)
        else:
            self._transport.send_close(WSCloseCode.OK)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.gone.wait()
        except TimeoutError:
            self._device.tally.fault("a close frame was not answered")
            self._transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self._leaving:
            self._device.tally.lost_connections += 1
        self.gone.set()
        self.ready.set()
        self.answered.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            self._take(_events.decode(frame.get_payload_as_bytes()))
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()

    def _take(self, event: ServerEvent) -> None:
        device = self._device
        tally = device.tally
        match event:
            case Welcome() | Resync():
                cursors = {device.conversation: device.cursor}
                # What came early comes again now, in its turn.
                self._resuming = True
                device.beyond.clear()
                self.say(_encode(protocol.Resume(cursors)))
            case Message() | Edited() | Deleted():
                tally.delivered += 1
                is_new = event.sender != device.person.email and not self._resuming
                device.saw(event.seq, once=is_new)
            case Ack() if isinstance(event.seq, int):
                if device.outbox.pop(UUID(str(event.id)), None) is not None:
                    tally.acked += 1
                device.saw(event.seq, once=False)
                self._look_into_outbox()
            case Resumed():
                tally.resumed += 1
                self._resuming = False
                found = event.conversations.get(device.conversation)
                if found is not None:
                    device.head = found.head
                    if not found.complete:
                        tally.fault("a resume was not complete")
                self.ready.set()
                self._look_into_outbox()
            case Error():
                tally.fault(f"an error: {event.code} {event.detail}")
            case GoingAway():
                tally.fault("an instance went away")

    def _look_into_outbox(self) -> None:
        if not self._device.outbox:
            self.answered.set()
