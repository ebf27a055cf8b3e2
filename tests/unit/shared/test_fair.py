"""Who asks for much waits behind themselves, not others behind them."""

import asyncio

from shared.fair import FairLimit


class Stage:
    def __init__(self, most: int, each: int) -> None:
        self.limit = FairLimit(most, each)
        self.entered: list[str] = []
        self._leave: dict[str, asyncio.Event] = {}

    def come(self, name: str) -> "asyncio.Task[None]":
        """`name` is a caller and a number."""
        self._leave[name] = asyncio.Event()
        return asyncio.create_task(self._visit(name))

    async def leave(self, name: str) -> None:
        self._leave[name].set()
        await settled()

    async def _visit(self, name: str) -> None:
        async with self.limit.turn(name[0]):
            self.entered.append(name)
            await self._leave[name].wait()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_than_allowed_are_inside_and_callers_take_turns() -> None:
    stage = Stage(most=2, each=2)
    tasks = [stage.come(name) for name in ("a1", "a2", "a3", "a4", "b1", "c1")]
    await settled()
    assert stage.entered == ["a1", "a2"]
    for name in ("a1", "a2", "a3", "b1", "c1"):
        await stage.leave(name)
    assert stage.entered == ["a1", "a2", "a3", "b1", "c1", "a4"]
    await stage.leave("a4")
    await asyncio.gather(*tasks)


async def test_a_caller_leaves_room_for_others() -> None:
    stage = Stage(most=3, each=1)
    tasks = [stage.come(name) for name in ("a1", "a2", "b1")]
    await settled()
    assert stage.entered == ["a1", "b1"]
    await stage.leave("a1")
    assert stage.entered == ["a1", "b1", "a2"]
    for name in ("b1", "a2"):
        await stage.leave(name)
    await asyncio.gather(*tasks)


async def test_who_gives_up_takes_no_place() -> None:
    stage = Stage(most=1, each=1)
    first, gone, last = (stage.come(name) for name in ("a1", "b1", "c1"))
    await settled()
    gone.cancel()
    await stage.leave("a1")
    assert stage.entered == ["a1", "c1"]
    await stage.leave("c1")
    await asyncio.gather(first, last)
    again = stage.come("b2")
    await settled()
    assert stage.entered[-1] == "b2"
    await stage.leave("b2")
    await again


async def test_who_gives_up_just_when_let_in_leaves_the_place() -> None:
    stage = Stage(most=1, each=1)
    first, second = stage.come("a1"), stage.come("b1")
    await settled()
    stage._leave["a1"].set()
    await asyncio.sleep(0)
    second.cancel()
    await settled()
    third = stage.come("c1")
    await settled()
    assert stage.entered[-1] == "c1"
    await stage.leave("c1")
    await asyncio.gather(first, second, third, return_exceptions=True)
