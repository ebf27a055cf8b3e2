"""What one person notices of others who do much: edit, list, flood, or all at once."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from random import getrandbits
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from tests.bench.http_load import HttpConnection, connections, request
from tests.bench.preload import open_conversations, write_histories
from tests.bench.report import Goal, Line, percentile
from tests.bench.sockets import Crowd, Meter, Socket, connect, crowd
from tests.bench.stage import Pair, Person, Stage

ROUNDS = 5
SECONDS = 1.5
RATE = 100.0
"""Messages a second of whoever looks on, on a fixed schedule."""

EDITS_IN_FLIGHT = 64
CONVERSATIONS = 500
LISTS_IN_FLIGHT = 16
FLOOD_BYTES = 1_000_000
"""A second, of empty pings."""
SENDERS, EACH, BURSTS = 600, 120, 5
BURST_SECONDS, BURST_RATE = 2.0, 5.0
"""A burst: everybody sends everything at once."""

Noise = Callable[[], Awaitable[None]]


async def strangers(stage: Stage) -> list[Line]:
    """A bystander's latency beside each noise over the latency without; interleaved."""
    (editor,), onlookers, listed = stage.pairs(1), stage.pairs(1), _listed(stage)
    database = stage.database_name("chat")
    write_histories(stage, database, listed, 3)
    open_conversations(stage, database, [editor, *onlookers])
    async with (
        stage.chat(database) as (chat,),
        crowd(onlookers, lambda _: chat.url) as onlooker,
        _editing(editor, chat.url) as edits,
    ):
        noises: dict[str, tuple[Noise, float]] = {
            "edits": (edits, 1.5),
            "lists": (lambda: _list(chat.url, listed[0].sender), 2.0),
            "pings": (lambda: _ping(chat.url), 2.0),
        }
        quiet: dict[str, list[float]] = {name: [] for name in noises}
        loud: dict[str, list[float]] = {name: [] for name in noises}
        health: list[float] = []
        for _ in range(ROUNDS):
            for name, (noise, _) in noises.items():
                quiet[name].append(await _p99(onlooker))
                task = asyncio.ensure_future(noise())
                loud[name].append(await _p99(onlooker))
                if name == "pings":
                    health.append(await _health(chat.url) * 1000)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
    return [
        Line(
            f"beside_{name}_p99",
            f"a bystander's p99 beside {name} / without",
            "×",
            [one / other for one, other in zip(loud[name], quiet[name], strict=True)],
            Goal(at_most=most),
        )
        for name, (_, most) in noises.items()
    ] + [
        Line("beside_pings_health_ms", "/healthz beside pings", "ms", health, Goal(at_most=100)),
    ]


async def burst(stage: Stage) -> list[Line]:
    """72,000 messages offered at once: how long accepted ones wait, and a stranger's beside."""
    pairs, onlookers = stage.pairs(SENDERS), stage.pairs(1)
    database = stage.database_name("chat")
    open_conversations(stage, database, [*pairs, *onlookers])
    waits: list[float] = []
    share: list[float] = []
    beside: list[float] = []
    async with stage.chat(database) as (chat,), crowd(onlookers, lambda _: chat.url) as onlooker:
        for _ in range(BURSTS):
            meter = Meter()
            senders = [
                await connect(chat.url, pair.sender, _Bursting(meter, pair.receiver.email))
                for pair in pairs
            ]
            looking = asyncio.create_task(onlooker.open_loop(BURST_SECONDS, BURST_RATE))
            for sender in senders:
                sender.begin()
            async with asyncio.timeout(60):
                await asyncio.gather(*(sender.finished.wait() for sender in senders))
            accepted = [wait for sender in senders for wait in sender.accepted]
            waits.append(max(accepted))
            share.append(len(accepted) / (SENDERS * EACH))
            beside.append((await looking).latencies[-1])
            for sender in senders:
                sender.close()
    return [
        Line(
            "burst_longest_s",
            f"{SENDERS * EACH:,} offered at once: longest wait of an accepted send",
            "s",
            waits,
            Goal(at_most=2.0),
        ),
        Line("burst_accepted", "the same: accepted at the first try", "", share),
        Line(
            "burst_stranger_s",
            "the same: longest wait of a stranger's message",
            "s",
            beside,
            Goal(at_most=1.0),
        ),
    ]


def _listed(stage: Stage) -> list[Pair]:
    """One person's conversations with many others."""
    somebody = stage.person()
    return [Pair(somebody, stage.person()) for _ in range(CONVERSATIONS)]


async def _p99(onlooker: Crowd) -> float:
    return percentile((await onlooker.open_loop(SECONDS, RATE)).latencies, 0.99)


async def _health(url: str) -> float:
    began = time.perf_counter()
    async with connections(url, 1) as (connection,):
        await connection.fetch(request("GET", "/healthz", {}))
    return time.perf_counter() - began


async def _list(url: str, person: Person) -> None:
    """As fast as answers come, `LISTS_IN_FLIGHT` at a time."""
    asked = request("GET", "/conversations?limit=100", person.headers)

    async def one(connection: HttpConnection) -> None:
        while True:
            await connection.fetch(asked)

    async with connections(url, LISTS_IN_FLIGHT) as found:
        await asyncio.gather(*map(one, found))


async def _ping(url: str) -> None:
    """Empty pings by whoever is not authenticated; a new socket for each that is cut off."""
    address = urlsplit(url)
    upgrade = (
        f"GET /ws HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    )
    piece = b"\x89\x80\0\0\0\0" * (FLOOD_BYTES // 100 // 6)
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(upgrade.encode())
            try:
                while not writer.is_closing():
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.01)
            finally:
                writer.close()
        await asyncio.sleep(0.01)


@asynccontextmanager
async def _editing(pair: Pair, url: str) -> AsyncIterator[Noise]:
    """Somebody who edits one message as fast as it is answered."""
    editor = await connect(url, pair.sender, _Editing(Meter(), pair.receiver.email))

    async def edit() -> None:
        editor.begin()
        try:
            await asyncio.Event().wait()
        finally:
            editor.enough = True

    yield edit
    editor.close()


class _Answer(Struct):
    type: str
    id: str = ""
    conversation: str = ""


_answer = msgspec.json.Decoder(_Answer).decode


class _Editing(Socket):
    """Keeps `EDITS_IN_FLIGHT` edits of its own message under way; refusals do not matter."""

    def __init__(self, meter: Meter, to: str) -> None:
        super().__init__(meter)
        self._to = to
        self._message = _id()
        self._conversation = ""
        self._open = 0
        self.enough = False

    def begin(self) -> None:
        self.enough = False
        if not self._conversation:
            op = {"type": "send", "id": self._message, "to": self._to, "text": "one"}
            self.send(msgspec.json.encode(op))
        else:
            self._edit()

    def take(self, payload: bytes) -> None:
        answer = _answer(payload)
        if answer.type == "ack" and answer.id == self._message:
            self._conversation = answer.conversation
        elif answer.type in ("ack", "error"):
            self._open -= 1
        elif answer.type == "welcome":
            self.welcomed.set()
        if self._conversation:
            self._edit()

    def _edit(self) -> None:
        while self._open < EDITS_IN_FLIGHT and not self.enough:
            self._open += 1
            about = {"conversation": self._conversation, "message": self._message}
            self.send(msgspec.json.encode({"type": "edit", "id": _id(), "text": "two", **about}))


class _Bursting(Socket):
    """Sends `EACH` messages at once; `accepted` are the seconds that those with an ack took."""

    def __init__(self, meter: Meter, to: str) -> None:
        super().__init__(meter)
        self._to = to
        self._sent_at: dict[str, float] = {}
        self.accepted: list[float] = []
        self.finished = asyncio.Event()

    def begin(self) -> None:
        self.accepted = []
        self.finished.clear()
        for _ in range(EACH):
            id = _id()
            self._sent_at[id] = time.perf_counter()
            op = {"type": "send", "id": id, "to": self._to, "text": "one of very many"}
            self.send(msgspec.json.encode(op))

    def take(self, payload: bytes) -> None:
        answer = _answer(payload)
        if answer.type == "welcome":
            self.welcomed.set()
        elif answer.type in ("ack", "error"):
            sent_at = self._sent_at.pop(answer.id, None)
            if sent_at is not None and answer.type == "ack":
                self.accepted.append(time.perf_counter() - sent_at)
            if not self._sent_at:
                self.finished.set()


def _id() -> str:
    id = f"{getrandbits(128):032x}"
    return f"{id[:8]}-{id[8:12]}-{id[12:16]}-{id[16:20]}-{id[20:]}"
