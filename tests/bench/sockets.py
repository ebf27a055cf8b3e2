"""WebSocket clients that cost little: picows, and no more parsing than a figure needs.

Every message is accounted for: a run ends when all that were sent were acknowledged and delivered,
and fails when one is missing, comes twice or is refused.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random, getrandbits
from typing import TypeVar

import msgspec
from msgspec import Struct
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from tests.bench.processes import cpu_seconds
from tests.bench.stage import Pair, Person

CONNECT_AT_ONCE = 50
PATIENCE_SECONDS = 20.0
TICK_SECONDS = 0.001
"""An open loop wakes this often; what it is late by counts as latency."""

_ACK = b'{"type":"ack"'
_MESSAGE = b'{"type":"message"'
_TEXT = b'"text":"'
_CLOCK = "017.6f"
_CLOCK_BYTES = 17
_WORDS = "hello there, this is a message of ordinary size"


class Refused(Exception):
    """The server sent an error, or closed a socket."""


class _AnyEvent(Struct):
    type: str
    code: str = ""
    detail: str = ""
    reason: str = ""


AnySocket = TypeVar("AnySocket", bound="Socket")

_events = msgspec.json.Decoder(_AnyEvent)


class Meter:
    """What the sockets of a run have seen."""

    def __init__(self) -> None:
        self.sent = 0
        self.acked = 0
        self.delivered = 0
        self.heads = 0
        """Times that somebody was told of entries which were not sent."""
        self.latencies: list[float] = []
        self.ack_latencies: list[float] = []
        """Of talkers alone."""
        self.failure: str | None = None
        self.frame_bytes = (0, 0)
        """Of the last ack and the last delivery."""


class Socket(WSListener):
    """An authenticated socket. Its URL's server answers the upgrade, then says `welcome`."""

    transport: WSTransport

    def __init__(self, meter: Meter) -> None:
        self.welcomed = asyncio.Event()
        self.meter = meter
        self.on_event: Callable[[str, bytes], None] = lambda _type, _payload: None
        self._closing = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            self.take(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self._closing:
            self.meter.failure = self.meter.failure or "a socket was closed"
            self.welcomed.set()

    def take(self, payload: bytes) -> None:
        event = _events.decode(payload)
        if event.type == "welcome":
            self.welcomed.set()
        elif event.type in ("error", "resync", "going_away"):
            self.meter.failure = f"{event.type} {event.code}{event.detail}{event.reason}"
        elif event.type == "head":
            self.meter.heads += 1
        self.on_event(event.type, payload)

    def send(self, frame: bytes) -> None:
        self.transport.send(WSMsgType.TEXT, frame)

    def close(self) -> None:
        self._closing = True
        self.transport.disconnect(graceful=False)


class Receiver(Socket):
    def take(self, payload: bytes) -> None:
        if not payload.startswith(_MESSAGE):
            super().take(payload)
            return
        at = payload.find(_TEXT) + len(_TEXT)
        meter = self.meter
        meter.delivered += 1
        meter.latencies.append(time.perf_counter() - float(payload[at : at + _CLOCK_BYTES]))
        meter.frame_bytes = (meter.frame_bytes[0], len(payload))


class Sender(Socket):
    """Sends the next message when one is acknowledged, while `firing`."""

    to = ""
    firing = False

    def take(self, payload: bytes) -> None:
        if not payload.startswith(_ACK):
            super().take(payload)
            return
        self.meter.acked += 1
        if self.firing:
            self.fire(time.perf_counter())
        else:
            self.meter.frame_bytes = (len(payload), self.meter.frame_bytes[1])

    def fire(self, due: float) -> None:
        """Send a message that should have been sent at `due`, on the clock of perf_counter."""
        self.meter.sent += 1
        id = f"{getrandbits(128):032x}"
        self.send(
            f'{{"type":"send","id":"{id[:8]}-{id[8:12]}-{id[12:16]}-{id[16:20]}-{id[20:]}",'
            f'"to":"{self.to}","text":"{due:{_CLOCK}} {_WORDS}"}}'.encode()
        )


class Talker(Receiver, Sender):
    """Somebody who sends and receives."""

    def __init__(self, meter: Meter) -> None:
        super().__init__(meter)
        self._due: deque[float] = deque()

    def take(self, payload: bytes) -> None:
        if payload.startswith(_ACK):  # those of one conversation come in its order
            self.meter.ack_latencies.append(time.perf_counter() - self._due.popleft())
        super().take(payload)

    def fire(self, due: float) -> None:
        self._due.append(due)
        super().fire(due)


class Reading(Struct, frozen=True):
    """A measured stretch of a run. `cpu` are seconds by group of processes, `client` our own."""

    seconds: float
    messages: float
    cpu: Mapping[str, float]
    client: float
    latencies: Sequence[float]
    ack_latencies: Sequence[float] = ()

    @property
    def rate(self) -> float:
        return self.messages / self.seconds

    def micros(self, *groups: str) -> float:
        """CPU microseconds a message of these groups of processes."""
        return sum(self.cpu[group] for group in groups) / self.messages * 1e6

    @property
    def client_micros(self) -> float:
        return self.client / self.messages * 1e6


class Crowd:
    """Connected pairs: one sends, the other receives; or `both` do both."""

    def __init__(self, both: bool = False) -> None:
        self._both = both
        self.meter = Meter()
        self._senders: list[Sender] = []
        self._sockets: list[Socket] = []

    async def connect(self, pairs: Sequence[Pair], place: Callable[[Person], str]) -> None:
        """`place` gives the URL of the instance that somebody connects to."""
        gate = asyncio.Semaphore(CONNECT_AT_ONCE)

        async def one(pair: Pair) -> list[Sender]:
            receives, sends = (Talker, Talker) if self._both else (Receiver, Sender)
            async with gate:
                receiver = await connect(place(pair.receiver), pair.receiver, receives(self.meter))
                self._sockets.append(receiver)
                sender = await connect(place(pair.sender), pair.sender, sends(self.meter))
                self._sockets.append(sender)
            sender.to = pair.receiver.email
            if not isinstance(receiver, Talker):
                return [sender]
            receiver.to = pair.sender.email
            return [sender, receiver]

        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await asyncio.gather(*map(one, pairs))
        self._senders = [sender for some in found for sender in some]
        if self._both:  # in an open loop, nobody answers to order
            Random(len(pairs)).shuffle(self._senders)

    async def closed_loop(
        self,
        seconds: float,
        in_flight: int,
        watched: Mapping[str, Sequence[int]],
        *,
        pairs: int | None = None,
        warm_seconds: float = 0.3,
    ) -> Reading:
        """Each sender has `in_flight` unacknowledged. `watched` are process ids by group."""
        meter = self.meter
        senders = self._senders[:pairs]
        for sender in senders:
            sender.firing = True
            for _ in range(in_flight):
                sender.fire(time.perf_counter())
        await asyncio.sleep(warm_seconds)
        meter.latencies, meter.ack_latencies = [], []
        acked, delivered = meter.acked, meter.delivered
        cpu = {group: cpu_seconds(pids) for group, pids in watched.items()}
        client, started = time.process_time(), time.perf_counter()
        await asyncio.sleep(seconds)
        reading = Reading(
            seconds=time.perf_counter() - started,
            messages=(meter.acked - acked + meter.delivered - delivered) / 2,
            cpu={group: cpu_seconds(pids) - cpu[group] for group, pids in watched.items()},
            client=time.process_time() - client,
            latencies=sorted(meter.latencies),
            ack_latencies=sorted(meter.ack_latencies),
        )
        for sender in senders:
            sender.firing = False
        await self._settled()
        return reading

    async def open_loop(self, seconds: float, rate: float) -> Reading:
        """`rate` messages a second over all senders in turn, whatever the answers do; a latency
        counts from when the schedule wanted the message sent (coordinated omission)."""
        meter, senders = self.meter, self._senders
        meter.latencies, meter.ack_latencies = [], []
        if not senders:
            rate = 0.0
        client, started = time.process_time(), time.perf_counter() + TICK_SECONDS
        total = round(seconds * rate)
        sent = 0
        while sent < total:
            due = min(total, int((time.perf_counter() - started) * rate) + 1)
            while sent < due:
                senders[sent % len(senders)].fire(started + sent / rate)
                sent += 1
            await asyncio.sleep(TICK_SECONDS)
        took = time.perf_counter() - started
        await self._settled()
        return Reading(
            seconds=took,
            messages=total,
            cpu={},
            client=time.process_time() - client,
            latencies=sorted(meter.latencies),
            ack_latencies=sorted(meter.ack_latencies),
        )

    async def close(self) -> None:
        for socket in self._sockets:
            socket.close()
        self._sockets.clear()

    async def _settled(self) -> None:
        """Returns when everything sent was acknowledged and delivered, once."""
        meter = self.meter
        deadline = time.monotonic() + PATIENCE_SECONDS
        while meter.failure is None and time.monotonic() < deadline:
            if meter.acked >= meter.sent and meter.delivered >= meter.sent:
                break
            await asyncio.sleep(0.005)
        if meter.failure is not None:
            raise Refused(meter.failure)
        # A talker's device may be sent its own message, too, where a gap was read from the log.
        twice = meter.delivered > meter.sent and not self._both
        if not meter.sent == meter.acked <= meter.delivered or twice:
            raise Refused(
                f"{meter.sent} messages sent, {meter.acked} acknowledged,"
                f" {meter.delivered} delivered"
            )


@asynccontextmanager
async def crowd(
    pairs: Sequence[Pair], place: Callable[[Person], str], both: bool = False
) -> AsyncIterator[Crowd]:
    """Connected, and each sender has met its receiver."""
    connected = Crowd(both)
    try:
        await connected.connect(pairs, place)
        await connected.closed_loop(0.0, 1, {}, warm_seconds=0.5)
        yield connected
    finally:
        await connected.close()


async def connect(url: str, person: Person, socket: AnySocket) -> AnySocket:
    """Returns when the server has said welcome."""
    await ws_connect(
        lambda: socket, f"{url.replace('http', 'ws', 1)}/ws", extra_headers=person.headers
    )
    await socket.welcomed.wait()
    if socket.meter.failure is not None:
        raise Refused(socket.meter.failure)
    return socket
