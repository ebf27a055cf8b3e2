"""Group reads: many questions, few calls."""

import asyncio
from collections.abc import Sequence

import pytest

from chat_service.log.batcher import Batcher


class Database:
    """Answers each call when it is told to."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.outcomes: list[asyncio.Future[None]] = []

    async def together(self, questions: Sequence[int]) -> list[int]:
        self.calls.append(list(questions))
        self.outcomes.append(asyncio.get_running_loop().create_future())
        await self.outcomes[-1]
        return [10 * question for question in questions]


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def database() -> Database:
    return Database()


async def test_a_question_alone_goes_at_once(database: Database) -> None:
    asked = asyncio.create_task(Batcher(database.together, most=3, lanes=1).ask(1))
    await turns()
    assert database.calls == [[1]]
    database.outcomes[0].set_result(None)
    assert await asked == 10


async def test_what_is_asked_meanwhile_goes_together_and_each_gets_its_answer(
    database: Database,
) -> None:
    gathered = Batcher(database.together, most=3, lanes=1)
    asked = [asyncio.create_task(gathered.ask(number)) for number in range(6)]
    await turns()
    asked += [asyncio.create_task(gathered.ask(number)) for number in (6, 7)]
    for call in range(3):
        await turns()
        database.outcomes[call].set_result(None)
    assert await asyncio.gather(*asked) == [0, 10, 20, 30, 40, 50, 60, 70]
    assert database.calls == [[0, 1, 2], [3, 4, 5], [6, 7]]


async def test_a_slow_call_holds_up_one_lane_only(database: Database) -> None:
    gathered = Batcher(database.together, most=3, lanes=2)
    slow = asyncio.create_task(gathered.ask(1))
    await turns()
    quick = asyncio.create_task(gathered.ask(2))
    await turns()
    database.outcomes[1].set_result(None)
    assert await quick == 20
    database.outcomes[0].set_result(None)
    assert await slow == 10


async def test_a_failure_is_told_to_those_of_its_call_and_the_next_call_works(
    database: Database,
) -> None:
    gathered = Batcher(database.together, most=3, lanes=1)
    failing = asyncio.create_task(gathered.ask(1))
    await turns()
    waiting = asyncio.create_task(gathered.ask(2))
    await turns()
    database.outcomes[0].set_exception(RuntimeError("away"))
    with pytest.raises(RuntimeError, match="away"):
        await failing
    await turns()
    database.outcomes[1].set_result(None)
    assert await waiting == 20


async def test_nothing_is_asked_for_those_who_left(database: Database) -> None:
    gathered = Batcher(database.together, most=3, lanes=1)
    first = asyncio.create_task(gathered.ask(1))
    await turns()
    gone, staying = (asyncio.create_task(gathered.ask(number)) for number in (2, 3))
    await turns()
    gone.cancel()
    await turns()
    database.outcomes[0].set_result(None)
    await turns()
    database.outcomes[1].set_result(None)
    assert (await first, await staying) == (10, 30)
    assert database.calls == [[1], [3]]
