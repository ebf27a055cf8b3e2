"""Talks between devices, and what must hold of a conversation in the end."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from chat_service.log import between
from tests.support.device.device import Device, Shown
from tests.support.device.messenger import Account

PACE_SECONDS = 0.005
"""Between two messages of a talk: traffic, not a benchmark."""
WINDOW = 32
"""Unanswered messages of a talk."""


@asynccontextmanager
async def talking(
    device: Device, to: Account, name: str, pace: float = PACE_SECONDS
) -> AsyncIterator[None]:
    """While the block runs, `device` says "name 0", "name 1" ... to `to`; in the end it has all
    answers."""
    enough = asyncio.Event()

    async def talk() -> None:
        number = 0
        while not enough.is_set():
            await device.until(lambda: len(device.outbox) < WINDOW)
            device.say(to, f"{name} {number}")
            number += 1
            await asyncio.sleep(pace)

    task = asyncio.create_task(talk())
    try:
        yield
    finally:
        enough.set()
        await task
    await device.until(lambda: not device.outbox)


async def shows_all(devices: Iterable[Device], other: Account, count: int) -> None:
    """Returns when each of them shows `count` entries of its conversation with `other`."""
    for device in devices:
        await device.until(lambda device=device: device.cursor(other) >= count)  # type: ignore[misc]


def assert_exact(
    history: Sequence[dict[str, Any]], mine: Sequence[Device], theirs: Sequence[Device]
) -> None:
    """The history is numbered 1, 2, 3 ...; each id is there once; every acknowledgement is true;
    and each device shows just that."""
    entries = [
        Shown(message["seq"], message["id"], message["sender"], message["text"])
        for message in history
    ]
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    conversation = between(mine[0].person.email, theirs[0].person.email).id
    at = {entry.id: entry.seq for entry in entries}
    assert len(at) == len(entries)
    for devices, others in ((mine, theirs), (theirs, mine)):
        for device in devices:
            assert device.view(others[0].person) == entries
            assert device.repeats == 0
            acks = {id: seq for id, (where, seq) in device.acks.items() if where == conversation}
            assert acks.items() <= at.items()
            assert not device.outbox


def assert_in_order_of_sending(device: Device, other: Account) -> None:
    """Every talk in the conversation has its numbers in their order, none left out."""
    talks: dict[str, list[int]] = {}
    for entry in device.view(other):
        assert entry.text is not None
        name, number = entry.text.rsplit(" ", 1)
        talks.setdefault(name, []).append(int(number))
    for numbers in talks.values():
        assert numbers == list(range(len(numbers)))
