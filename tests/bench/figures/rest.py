"""What a request costs: sending and reading, beside a handler that only decodes and encodes."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from uuid import uuid4

import msgspec

from tests.bench.http_load import HttpReading, closed_loop, connections, request
from tests.bench.preload import open_conversations, write_histories
from tests.bench.report import Goal, Line
from tests.bench.stage import Pair, Stage

CONNECTIONS = 32
ROUNDS = 5
SECONDS = 1.0
HISTORY = 10_000
PAGE = 50
READ_CONVERSATIONS = 4
SIZES_DIFFER_AT_MOST = 0.05


async def put(stage: Stage) -> list[Line]:
    """Each connection is another sender's."""
    pairs = stage.pairs(CONNECTIONS)
    database = stage.database_name("chat")
    open_conversations(stage, database, pairs)

    def next_request(number: int) -> bytes:
        pair = pairs[number]
        message = {
            "sender": pair.sender.email,
            "text": "hello there, this is a message of ordinary size",
            "id": str(uuid4()),
        }
        body = {"participants": [pair.sender.email, pair.receiver.email], "message": message}
        return request("PUT", "/messages", pair.sender.headers, msgspec.json.encode(body))

    return await _beside_bare(stage, database, next_request, 201, "put", "PUT /messages")


async def post(stage: Stage) -> list[Line]:
    """The newest 50 of 10,000."""
    pairs = stage.pairs(READ_CONVERSATIONS)
    database = stage.database_name("chat")
    await asyncio.to_thread(write_histories, stage, database, pairs, HISTORY)
    requests = [
        request("POST", "/messages", pair.sender.headers, _history_body(pair)) for pair in pairs
    ]
    return await _beside_bare(
        stage,
        database,
        lambda number: requests[number % len(requests)],
        200,
        "post",
        f"POST /messages, {PAGE} of {HISTORY:,}",
    )


async def _beside_bare(
    stage: Stage,
    database: str,
    next_request: Callable[[int], bytes],
    status: int,
    key: str,
    name: str,
) -> list[Line]:
    bares: list[HttpReading] = []
    chats: list[HttpReading] = []
    async with AsyncExitStack() as stack:
        bare = await stack.enter_async_context(stage.bare())
        (chat,) = await stack.enter_async_context(stage.chat(database))
        to_bare = await stack.enter_async_context(connections(bare.url, CONNECTIONS))
        to_chat = await stack.enter_async_context(connections(chat.url, CONNECTIONS))
        sides = [(to_bare, bare, bares), (to_chat, chat, chats)]
        for number in range(ROUNDS + 1):
            for opened, program, readings in sides if number % 2 else reversed(sides):
                readings.append(
                    await closed_loop(opened, next_request, status, SECONDS, program.pid)
                )
    del bares[0], chats[0]  # they were to warm up
    if abs(bares[0].body_bytes / chats[0].body_bytes - 1) > SIZES_DIFFER_AT_MOST:
        raise ValueError(f"bodies differ: {bares[0].body_bytes} and {chats[0].body_bytes} bytes")
    ratios = [chat.micros / bare.micros for bare, chat in zip(bares, chats, strict=True)]
    return [
        Line(f"{key}_cpu_over_bare", f"{name}: CPU / bare handler", "×", ratios, Goal(at_most=1.6)),
        Line(f"{key}_cpu_us", f"{name}: CPU", "µs", [reading.micros for reading in chats]),
        Line(f"{key}_bare_cpu_us", f"{name}: CPU, bare", "µs", [one.micros for one in bares]),
        Line(f"{key}_rate", f"{name}: requests a second", "/s", [one.rate for one in chats]),
    ]


def _history_body(pair: Pair) -> bytes:
    participants = [pair.sender.email, pair.receiver.email]
    return msgspec.json.encode({"participants": participants, "limit": PAGE})
