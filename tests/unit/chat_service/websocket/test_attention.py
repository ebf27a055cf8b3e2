"""Ops of all sockets share the turns of the event loop, first come first."""

import asyncio

from chat_service.websocket import attention
from chat_service.websocket.attention import Attention


async def test_so_many_ops_in_a_turn_and_the_others_in_the_next_ones() -> None:
    shared = Attention()
    handled: list[int] = []

    async def socket(number: int) -> None:
        if not shared.take():
            await shared.wait()
        handled.append(number)

    count = 2 * attention.OPS + 10
    tasks = [asyncio.create_task(socket(number)) for number in range(count)]
    turns = []
    while len(handled) < count:
        before = len(handled)
        await asyncio.sleep(0)
        turns.append(len(handled) - before)
    assert max(turns) <= attention.OPS
    assert handled == list(range(count))
    await asyncio.gather(*tasks)


async def test_who_has_gone_takes_no_turn() -> None:
    shared = Attention()
    while shared.take():
        pass
    gone = asyncio.create_task(shared.wait())
    stays = asyncio.create_task(shared.wait())
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    assert gone.cancelled()
    await asyncio.sleep(0)
    assert shared.take()
