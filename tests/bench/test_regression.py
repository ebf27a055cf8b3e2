"""Promise: a message costs little. A change that doubles its cost is seen here, before a benchmark.

Loose on purpose, and never a wall time: the cost is a ratio to what aiohttp alone costs in the same
seconds on the same machine, and the median of several.
"""

import asyncio
from pathlib import Path
from statistics import median

import pytest
import uvloop

from tests.bench.figures.messages import interleaved
from tests.bench.stage import Stage

ROUNDS = 3
SECONDS = 0.5
MOST = 4.0
"""Times the echo ceiling; it is about half of that."""


@pytest.mark.timeout(90)
def test_a_message_costs_the_chat_service_a_few_times_what_an_echo_costs(
    tmp_path: Path, mongo_url: str, amqp_url: str
) -> None:
    async def measure() -> list[float]:
        async with Stage(tmp_path, mongo_url, amqp_url) as stage:
            rounds = await interleaved(stage, ROUNDS, SECONDS)
        return [chat.micros("server") / echo.micros("server") for echo, chat in rounds]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        ratios = runner.run(measure())
    assert median(ratios) < MOST, ratios
