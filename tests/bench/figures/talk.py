"""Two people who write to each other: on one instance, and on two."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct

from tests.bench.figures.messages import watched
from tests.bench.preload import open_conversations
from tests.bench.processes import Program
from tests.bench.report import Goal, Line, percentile
from tests.bench.sockets import Crowd, Reading, crowd
from tests.bench.stage import Pair, Person, Stage

PAIRS, IN_FLIGHT = 50, 2
ROUNDS = 5
SECONDS = 1.5

CALM_PAIRS = 300
CALM_ROUNDS = 5
CALM_SECONDS = 2.0


class Talks(Struct, frozen=True):
    """The same number of pairs twice: partners `together` on either instance, and `apart`."""

    together: Crowd
    apart: Crowd
    chats: Sequence[Program]


async def talk(stage: Stage) -> list[Line]:
    """Everybody keeps two messages in flight; interleaved: together, apart, apart, together, …"""
    rounds: list[tuple[Reading, Reading]] = []
    async with _talks(stage, PAIRS) as talks:
        for number in range(ROUNDS + 1):
            sides = [talks.together, talks.apart]
            found = {}
            for side in sides if number % 2 else reversed(sides):
                found[side] = await side.closed_loop(
                    SECONDS, IN_FLIGHT, watched(stage, talks.chats)
                )
            if number:  # the first warms up
                rounds.append((found[talks.together], found[talks.apart]))
        heads = talks.apart.meter.heads
    sent = sum(apart.messages for _, apart in rounds)
    return [
        Line(
            "talk_rate_apart_over_together",
            "partners apart / together: messages a second",
            "×",
            [apart.rate / together.rate for together, apart in rounds],
            Goal(at_least=0.8),
        ),
        Line(
            "talk_cpu_apart_over_together",
            "partners apart / together: chat + MongoDB CPU a message",
            "×",
            [
                apart.micros("server", "mongod") / together.micros("server", "mongod")
                for together, apart in rounds
            ],
            Goal(at_most=1.35),
        ),
        *(
            Line(f"talk_{what}_{name}", f"{label}, partners {name}", unit, samples)
            for name, readings in (
                ("together", [together for together, _ in rounds]),
                ("apart", [apart for _, apart in rounds]),
            )
            for what, label, unit, samples in (
                ("rate", "messages a second", "/s", [one.rate for one in readings]),
                ("chat_us", "chat CPU a message", "µs", [one.micros("server") for one in readings]),
                (
                    "mongod_us",
                    "MongoDB CPU a message",
                    "µs",
                    [one.micros("mongod") for one in readings],
                ),
            )
        ),
        Line("talk_heads", "heads a message, partners apart", "", [heads / sent], Goal(at_most=0)),
    ]


async def calm(stage: Stage) -> list[Line]:
    """300 pairs, both sides one message a second, and a stranger; together, apart and without."""
    rounds: list[dict[str, tuple[Reading, Reading]]] = []
    strangers = stage.pairs(1)
    async with _talks(stage, CALM_PAIRS, strangers) as talks:
        place = lambda _: talks.chats[0].url  # noqa: E731
        async with crowd(strangers, place) as stranger, crowd([], place) as nobody:
            sides = {"together": talks.together, "apart": talks.apart, "without": nobody}
            for number in range(CALM_ROUNDS + 1):
                found = {}
                for name in sorted(sides, reverse=bool(number % 2)):
                    found[name] = await _beside(sides[name], stranger)
                if number:  # the first warms up
                    rounds.append(found)

    def ratio(which: int, what: str, over: str, share: float) -> list[float]:
        one, other = (
            [percentile(getattr(found[name][which], what), share) for found in rounds]
            for name in ("apart", over)
        )
        return [mine / theirs for mine, theirs in zip(one, other, strict=True)]

    return [
        Line(
            f"calm_{key}_p{round(share * 100)}",
            f"{label}: p{round(share * 100)}",
            "×",
            ratio(which, what, over, share),
            Goal(at_most=most),
        )
        for key, label, which, what, over in (
            ("ack", "300 pairs apart / together, ack", 0, "ack_latencies", "together"),
            ("delivery", "300 pairs apart / together, delivery", 0, "latencies", "together"),
            ("stranger", "a stranger beside 300 pairs apart / without", 1, "latencies", "without"),
            ("stranger_pairs", "a stranger, pairs apart / together", 1, "latencies", "together"),
        )
        for share, most in ((0.5, 1.3), (0.99, 1.5))
    ] + [
        Line(
            f"calm_{what}_ms_{name}_p{round(share * 100)}",
            f"{what}, {name}: p{round(share * 100)}",
            "ms",
            [percentile(getattr(found[name][which], field), share) * 1000 for found in rounds],
        )
        for what, which, field in (
            ("ack", 0, "ack_latencies"),
            ("delivery", 0, "latencies"),
            ("stranger", 1, "latencies"),
        )
        for name in ("together", "apart", "without")
        if which or name != "without"
        for share in (0.5, 0.99)
    ]


async def _beside(pairs: Crowd, stranger: Crowd) -> tuple[Reading, Reading]:
    return await asyncio.gather(
        pairs.open_loop(CALM_SECONDS, 2 * CALM_PAIRS), stranger.open_loop(CALM_SECONDS, 50)
    )


@asynccontextmanager
async def _talks(stage: Stage, number: int, others: Sequence[Pair] = ()) -> AsyncIterator[Talks]:
    together, apart = stage.pairs(number), stage.pairs(number)
    database = stage.database_name("chat")
    open_conversations(stage, database, [*together, *apart, *others])
    async with AsyncExitStack() as stack:
        chats = await stack.enter_async_context(stage.chat(database, instances=2))
        places = {
            **{one: chats[n % 2].url for n, pair in enumerate(together) for one in _both(pair)},
            **{one: chats[n].url for pair in apart for n, one in enumerate(_both(pair))},
        }
        one, other = [
            await stack.enter_async_context(crowd(pairs, places.__getitem__, both=True))
            for pairs in (together, apart)
        ]
        yield Talks(one, other, chats)


def _both(pair: Pair) -> tuple[Person, Person]:
    return pair.sender, pair.receiver
