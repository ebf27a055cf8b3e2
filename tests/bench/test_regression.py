"""Promise: a message costs little. A change that doubles its cost is seen here, before a benchmark.

Loose on purpose, and never a wall time: the cost is a ratio to what aiohttp alone costs in the same
seconds on the same machine, of the best of several rounds each, as what else runs only adds.
"""

import asyncio
from pathlib import Path

import pytest
import uvloop

from tests.bench.figures.messages import interleaved
from tests.bench.stage import Stage

ROUNDS = 5
SECONDS = 0.4
MOST = 5
"""Times the echo ceiling; it is 2 to 3, depending on the machine."""


@pytest.mark.timeout(90)
def test_a_message_costs_the_chat_service_a_few_times_what_an_echo_costs(
    tmp_path: Path, mongo_url: str, amqp_url: str
) -> None:
    async def measure() -> float:
        async with Stage(tmp_path, mongo_url, amqp_url) as stage:
            rounds = await interleaved(stage, ROUNDS, SECONDS)
        echo = min(reading.micros("server") for reading, _ in rounds)
        chat = min(reading.micros("server") for _, reading in rounds)
        print(f"\n{chat:.1f} µs over {echo:.1f} µs")
        return chat / echo

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(measure()) < MOST
