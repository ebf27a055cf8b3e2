"""What a message costs when there is much history, and when there are many instances."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from random import Random

from chat_service.fanout.bindings import shard
from chat_service.settings import ChatSettings
from tests.bench.amqp_meter import amqp_meter
from tests.bench.figures.messages import IN_FLIGHT, PAIRS, watched
from tests.bench.preload import open_conversations, write_histories
from tests.bench.processes import Program
from tests.bench.report import Goal, Line
from tests.bench.sockets import crowd
from tests.bench.stage import Pair, Person, Stage, all_settings

HISTORY = 100_000
LONG_CONVERSATIONS = 5
LONG_IN_FLIGHT = 40
"""As many messages are under way as with 50 pairs × 4, in conversations that can be preloaded."""
HISTORY_ROUNDS = 5
HISTORY_SECONDS = 1.2

INSTANCES = 4
INSTANCE_ROUNDS = 3
INSTANCE_SECONDS = 1.5
SHARDS = int(all_settings(ChatSettings)["FANOUT_SHARDS"])


async def history(stage: Stage) -> list[Line]:
    """Two databases, an instance on each: in one, every conversation holds 100,000 messages."""
    # Not the same people in both: one broker tells both instances of what happens to anybody.
    pairs, others = stage.pairs(LONG_CONVERSATIONS), stage.pairs(LONG_CONVERSATIONS)
    old, new = stage.database_name("old"), stage.database_name("new")
    chat_ratios: list[float] = []
    database_ratios: list[float] = []
    async with AsyncExitStack() as stack:
        stack.callback(stage.mongo.drop_database, old)
        await asyncio.to_thread(write_histories, stage, old, pairs, HISTORY)
        open_conversations(stage, new, others)
        (old_chat,) = await stack.enter_async_context(stage.chat(old))
        (new_chat,) = await stack.enter_async_context(stage.chat(new))
        into_old = await stack.enter_async_context(crowd(pairs, lambda _: old_chat.url))
        into_new = await stack.enter_async_context(crowd(others, lambda _: new_chat.url))
        for number in range(HISTORY_ROUNDS + 1):
            sides = [(into_old, old_chat), (into_new, new_chat)]
            readings = {}
            for side, chat in sides if number % 2 else reversed(sides):
                readings[chat] = await side.closed_loop(
                    HISTORY_SECONDS, LONG_IN_FLIGHT, watched(stage, [chat])
                )
            if number == 0:
                continue  # to warm up
            there, here = readings[old_chat], readings[new_chat]
            chat_ratios.append(there.micros("server") / here.micros("server"))
            database_ratios.append(there.micros("mongod") / here.micros("mongod"))
    return [
        Line(
            "history_chat_cpu_ratio",
            "chat CPU a message, after 100,000 / in empty conversations",
            "×",
            chat_ratios,
            Goal(at_most=1.05),
        ),
        Line(
            "history_mongod_cpu_ratio",
            "MongoDB CPU a message, after 100,000 / in empty conversations",
            "×",
            database_ratios,
        ),
    ]


async def instances(stage: Stage) -> list[Line]:
    """Four groups on one broker, each with people of shards that no other group has: one instance;
    four that share its load, with people anywhere and with people on the instance of their shard;
    and four that have as much each."""
    groups = {
        "1": (1, IN_FLIGHT),
        "4": (INSTANCES, IN_FLIGHT),
        "4_affinity": (INSTANCES, IN_FLIGHT),
        "4_loaded": (INSTANCES, INSTANCES * IN_FLIGHT),
    }
    people = _people_by_group(stage, len(groups))
    cpu: dict[str, list[float]] = {name: [] for name in groups}
    deliveries: dict[str, list[float]] = {name: [] for name in groups}
    async with AsyncExitStack() as stack:
        running = {}
        for (name, (size, in_flight)), pairs in zip(groups.items(), people, strict=True):
            meter = await stack.enter_async_context(amqp_meter(stage.amqp_url))
            database = stage.database_name("chat")
            open_conversations(stage, database, pairs)
            chats = await stack.enter_async_context(stage.chat(database, size, meter.url))

            place = _by_shard(chats) if name.endswith("affinity") else _anywhere(chats)
            members = await stack.enter_async_context(crowd(pairs, place))
            running[name] = (members, in_flight, chats, meter)
        for number in range(INSTANCE_ROUNDS + 1):
            for name, (members, in_flight, chats, meter) in running.items():
                delivered, sent = meter.deliveries, members.meter.sent
                reading = await members.closed_loop(
                    INSTANCE_SECONDS, in_flight, watched(stage, chats)
                )
                if number > 0:  # after one round to warm up
                    cpu[name].append(reading.micros("server"))
                    deliveries[name].append(
                        (meter.deliveries - delivered) / (members.meter.sent - sent)
                    )
    lines = []
    for name, label in (
        ("4", "4 instances / 1"),
        ("4_affinity", "4 instances by shard / 1"),
        ("4_loaded", "4 instances, 4 times the load / 1"),
    ):
        ratios = [many / one for many, one in zip(cpu[name], cpu["1"], strict=True)]
        key = f"instances_cpu_ratio{name.removeprefix('4')}"
        lines.append(Line(key, f"chat CPU a message, {label}", "×", ratios, Goal(at_most=1.5)))
    for name, label in (
        ("1", "1 instance"),
        ("4", "4 instances"),
        ("4_affinity", "4 instances by shard"),
        ("4_loaded", "4 instances, 4 times the load"),
    ):
        key = f"amqp_deliveries_{name}"
        lines.append(Line(key, f"AMQP deliveries a message, {label}", "", deliveries[name]))
    return lines


def _anywhere(chats: Sequence[Program]) -> Callable[[Person], str]:
    chance = Random(4)
    return lambda _: chance.choice(chats).url


def _by_shard(chats: Sequence[Program]) -> Callable[[Person], str]:
    """As a load balancer would that hashes as the fan-out does."""
    return lambda person: chats[shard(person.email, SHARDS) % len(chats)].url


def _people_by_group(stage: Stage, groups: int) -> list[list[Pair]]:
    """Pairs for each group, whose shards no other group has."""
    waiting: list[list[Person]] = [[] for _ in range(groups)]
    while min(map(len, waiting)) < 2 * PAIRS:
        person = stage.person()
        waiting[shard(person.email, SHARDS) * groups // SHARDS].append(person)
    return [
        [Pair(people[2 * number], people[2 * number + 1]) for number in range(PAIRS)]
        for people in waiting
    ]
