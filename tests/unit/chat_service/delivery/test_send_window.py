"""The window counts what is unanswered, and says when another send may begin."""

import asyncio

from chat_service.delivery.send_window import SendWindow


async def test_there_is_room_again_after_an_answer() -> None:
    window = SendWindow(2)
    window.began()
    await window.room()
    window.began()
    assert window.free == 0
    waiting = asyncio.create_task(window.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    window.answered()
    await waiting
    assert window.free == 1


async def test_it_is_quiet_after_the_last_answer() -> None:
    window = SendWindow(3)
    await window.quiet()
    window.began()
    window.began()
    waiting = asyncio.create_task(window.quiet())
    await asyncio.sleep(0)
    window.answered()
    await asyncio.sleep(0)
    assert not waiting.done()
    window.answered()
    await waiting
    assert window.free == 3
