"""What an idle socket keeps, how quickly sockets come, and how quickly one catches up."""

import asyncio
import time
from uuid import uuid4

import msgspec
from msgspec import Struct

from tests.bench.preload import write_histories
from tests.bench.processes import cpu_seconds, resident_bytes
from tests.bench.report import Goal, Line
from tests.bench.sockets import Meter, Socket, connect
from tests.bench.stage import Pair, Person, Stage

SOCKETS = 5000
FIRST_SOCKETS = 200
"""Connected before, so that what is needed once is not counted."""
CONNECTION_ROUNDS = 3
AT_ONCE = 50
SETTLE_SECONDS = 0.5

CONVERSATIONS, MISSED = 200, 10
RESUME_ROUNDS = 7


class _Resumed(Struct):
    complete: bool


class _ResumedEvent(Struct):
    conversations: dict[str, _Resumed]


async def connections(stage: Stage) -> list[Line]:
    """A new instance each time, and people whom it has never seen."""
    kibibytes, per_core, per_second = [], [], []
    for _ in range(CONNECTION_ROUNDS):
        people = [stage.person() for _ in range(FIRST_SOCKETS + SOCKETS)]
        sockets: list[Socket] = []
        async with stage.chat() as (chat,):
            try:
                await _connect(chat.url, people[:FIRST_SOCKETS], sockets)
                await asyncio.sleep(SETTLE_SECONDS)
                resident, cpu = resident_bytes(chat.pid), cpu_seconds([chat.pid])
                started = time.perf_counter()
                await _connect(chat.url, people[FIRST_SOCKETS:], sockets)
                took = time.perf_counter() - started
                spent = cpu_seconds([chat.pid]) - cpu
                await asyncio.sleep(SETTLE_SECONDS)
                kibibytes.append((resident_bytes(chat.pid) - resident) / SOCKETS / 1024)
                per_core.append(SOCKETS / spent)
                per_second.append(SOCKETS / took)
            finally:
                for socket in sockets:
                    socket.close()
    return [
        Line(
            "idle_socket_kib",
            f"memory of an idle authenticated socket, of {SOCKETS:,}",
            "KiB",
            kibibytes,
            Goal(at_most=18),
        ),
        Line(
            "connects_per_core",
            "connects a second of chat CPU (upgrade, token, welcome)",
            "/s",
            per_core,
            Goal(at_least=1200),
        ),
        Line("connects_per_second", "connects a second, as it was", "/s", per_second),
    ]


async def resume(stage: Stage) -> list[Line]:
    """One device names 200 cursors; 10 messages are after each."""
    reader = stage.person()
    pairs = [Pair(stage.person(), reader) for _ in range(CONVERSATIONS)]
    database = stage.database_name("chat")
    await asyncio.to_thread(write_histories, stage, database, pairs, 2 * MISSED)
    cursors = {pair.conversation.id: MISSED for pair in pairs}
    op = {"type": "resume", "cursors": cursors, "id": str(uuid4())}
    frame = msgspec.json.encode(op)
    took = []
    async with stage.chat(database) as (chat,):
        for number in range(RESUME_ROUNDS + 1):
            milliseconds = await _resume(chat.url, reader, frame)
            if number > 0:  # after one to warm up
                took.append(milliseconds)
    return [
        Line(
            "resume_ms",
            f"resume of {CONVERSATIONS} conversations × {MISSED} missed",
            "ms",
            took,
            Goal(at_most=150),
        )
    ]


async def _connect(url: str, people: list[Person], sockets: list[Socket]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)
    meter = Meter()

    async def one(person: Person) -> None:
        async with gate:
            sockets.append(await connect(url, person, Socket(meter)))

    await asyncio.gather(*map(one, people))


async def _resume(url: str, reader: Person, frame: bytes) -> float:
    """Milliseconds until `resumed`. Raises ValueError unless everything missed came before."""
    meter = Meter()
    messages = 0
    end: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def on_event(kind: str, payload: bytes) -> None:
        nonlocal messages
        if kind == "message":
            messages += 1
        elif kind in ("resumed", "error") and not end.done():
            end.set_result(payload)

    socket = await connect(url, reader, Socket(meter))
    try:
        socket.on_event = on_event
        started = time.perf_counter()
        socket.send(frame)
        async with asyncio.timeout(20):
            payload = await end
        took = time.perf_counter() - started
    finally:
        socket.close()
    resumed = msgspec.json.decode(payload, type=_ResumedEvent).conversations
    complete = sum(conversation.complete for conversation in resumed.values())
    if messages != CONVERSATIONS * MISSED or complete != CONVERSATIONS:
        raise ValueError(f"{messages} messages came, {complete} conversations are complete")
    return took * 1000
