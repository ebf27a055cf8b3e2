"""What a message costs, how many a second there can be, and how long one takes."""

from collections.abc import Sequence

from tests.bench.preload import open_conversations
from tests.bench.processes import Program
from tests.bench.report import Goal, Line, percentile
from tests.bench.sockets import Crowd, Reading, crowd
from tests.bench.stage import Stage

PAIRS, IN_FLIGHT = 50, 4
ROUNDS = 5
SECONDS = 1.5
SIZES_DIFFER_AT_MOST = 0.05
"""Frames of the ceiling are as long as the chat service's, or the ratio says nothing."""

SHAPES = ((5, 4), (50, 4), (500, 2))
SHAPE_ROUNDS = 3
SHAPE_SECONDS = 1.8
OPEN_RATES = (1000, 3000)
OPEN_ROUNDS = 3
OPEN_SECONDS = 2.5


async def cpu(stage: Stage) -> list[Line]:
    """Interleaved: echo, chat, chat, echo, echo, …"""
    rounds = await interleaved(stage, ROUNDS, SECONDS)
    echoes = [echo for echo, _ in rounds]
    chats = [chat for _, chat in rounds]
    return [
        Line(
            "chat_cpu_over_echo",
            "chat CPU a message / echo ceiling",
            "×",
            [chat.micros("server") / echo.micros("server") for echo, chat in rounds],
            Goal(at_most=1.8),
        ),
        Line("chat_cpu_us", "chat CPU a message", "µs", _micros(chats, "server")),
        Line("echo_cpu_us", "echo ceiling: CPU a message", "µs", _micros(echoes, "server")),
        Line(
            "servers_cpu_over_echo",
            "chat + MongoDB + RabbitMQ CPU / echo ceiling",
            "×",
            [
                chat.micros("server", "mongod", "rabbitmq") / echo.micros("server")
                for echo, chat in rounds
            ],
            Goal(at_most=3.5),
        ),
        Line("mongod_cpu_us", "MongoDB CPU a message", "µs", _micros(chats, "mongod")),
        Line("rabbitmq_cpu_us", "RabbitMQ CPU a message", "µs", _micros(chats, "rabbitmq")),
        Line("echo_rate", "echo messages a second", "/s", [echo.rate for echo in echoes]),
        Line(
            "client_cpu_us",
            "the load itself: CPU a message",
            "µs",
            [chat.client_micros for chat in chats],
            Goal(at_most=15),
        ),
    ]


async def interleaved(stage: Stage, rounds: int, seconds: float) -> list[tuple[Reading, Reading]]:
    """(echo, chat) readings side by side, each side first in turn, one round to warm up before."""
    pairs = stage.pairs(PAIRS)
    database = stage.database_name("chat")
    open_conversations(stage, database, pairs)
    async with (
        stage.bare() as bare,
        stage.chat(database) as (chat,),
        crowd(pairs, lambda _: bare.url) as echo_crowd,
        crowd(pairs, lambda _: chat.url) as chat_crowd,
    ):

        async def echo() -> Reading:
            return await echo_crowd.closed_loop(seconds, IN_FLIGHT, {"server": [bare.pid]})

        async def message() -> Reading:
            return await chat_crowd.closed_loop(seconds, IN_FLIGHT, watched(stage, [chat]))

        await echo()
        await message()
        _same_sizes(echo_crowd, chat_crowd)
        readings = []
        for number in range(rounds):
            if number % 2 == 0:
                first = await echo()
                readings.append((first, await message()))
            else:
                first = await message()
                readings.append((await echo(), first))
        return readings


async def throughput(stage: Stage) -> list[Line]:
    most = max(pairs for pairs, _ in SHAPES)
    pairs = stage.pairs(most)
    readings: dict[tuple[int, int], list[Reading]] = {shape: [] for shape in SHAPES}
    database = stage.database_name("chat")
    open_conversations(stage, database, pairs)
    async with stage.chat(database) as (chat,), crowd(pairs, lambda _: chat.url) as everyone:
        for _ in range(SHAPE_ROUNDS):
            for number, in_flight in SHAPES:
                readings[number, in_flight].append(
                    await everyone.closed_loop(
                        SHAPE_SECONDS, in_flight, watched(stage, [chat]), pairs=number
                    )
                )
    goals = {"rate_5x4": Goal(at_least=5000), "p99_ms_50x4": Goal(at_most=40)}
    lines = []
    for (number, in_flight), found in readings.items():
        shape, name = f"{number}x{in_flight}", f"{number} × {in_flight} in flight"
        lines.append(
            Line(
                f"rate_{shape}",
                f"{name}: durable messages a second",
                "/s",
                [reading.rate for reading in found],
                goals.get(f"rate_{shape}"),
            )
        )
        lines += latencies(shape, name, found, goals.get(f"p99_ms_{shape}"))
    return lines


async def open_loop(stage: Stage) -> list[Line]:
    pairs = stage.pairs(PAIRS)
    readings: dict[int, list[Reading]] = {rate: [] for rate in OPEN_RATES}
    database = stage.database_name("chat")
    open_conversations(stage, database, pairs)
    async with stage.chat(database) as (chat,), crowd(pairs, lambda _: chat.url) as everyone:
        for _ in range(OPEN_ROUNDS):
            for rate in OPEN_RATES:
                readings[rate].append(await everyone.open_loop(OPEN_SECONDS, rate))
    lines = []
    for rate, found in readings.items():
        goal = Goal(at_most=25) if rate == OPEN_RATES[0] else None
        lines += latencies(f"open_{rate}", f"open loop, {rate:,}/s offered", found, goal)
    return lines


def latencies(key: str, name: str, readings: Sequence[Reading], goal: Goal | None) -> list[Line]:
    """From sending to delivery."""
    return [
        Line(
            f"p{round(share * 100)}_ms_{key}",
            f"{name}: p{round(share * 100)}",
            "ms",
            [percentile(reading.latencies, share) * 1000 for reading in readings],
            goal if share == 0.99 else None,
        )
        for share in (0.5, 0.99)
    ]


def watched(stage: Stage, chats: Sequence[Program]) -> dict[str, list[int]]:
    """All processes that a message goes through."""
    return {"server": [chat.pid for chat in chats], **stage.servers}


def _micros(readings: Sequence[Reading], group: str) -> list[float]:
    return [reading.micros(group) for reading in readings]


def _same_sizes(one: Crowd, other: Crowd) -> None:
    for size, like in zip(one.meter.frame_bytes, other.meter.frame_bytes, strict=True):
        if abs(size / like - 1) > SIZES_DIFFER_AT_MOST:
            raise ValueError(
                f"frames differ: {one.meter.frame_bytes} and {other.meter.frame_bytes} bytes"
            )
