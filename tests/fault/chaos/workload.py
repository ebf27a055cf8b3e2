"""What people do while things break: talk on several devices, change what they said, mark, type."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import count
from random import Random
from types import TracebackType
from typing import Self

from chat_service.log.conversation import between
from tests.fault.chaos.device import Device
from tests.fault.chaos.history import Opened, Recorder
from tests.fault.chaos.system import Entrance, System
from tests.fault.chaos.visitor import Visitor
from tests.support.system import Person

PEOPLE = 5
OUTSIDERS = 2
PACE_SECONDS = 0.25
"""Between two acts of a device, on average."""
WINDOW = 12
"""Unanswered ops of a device."""
LONG_TEXT = "a long story, " * 150


class Workload:
    """People with a phone and a laptop each, who all talk with each other; and outsiders, connected
    to every instance, who talk only among themselves."""

    def __init__(self, system: System, recorder: Recorder, dice: Random, name: str) -> None:
        self.devices: list[Device] = []
        self.people: list[Person] = []
        self.outsiders: list[Person] = []
        self._system = system
        self._recorder = recorder
        self._dice = dice
        self._name = name
        self._visitors: list[Visitor] = []
        self._outside_devices: list[Device] = []
        self._stack = AsyncExitStack()
        self._numbers = count(1)

    async def __aenter__(self) -> Self:
        for number in range(1, PEOPLE + 1):
            self.people.append(await self._system.person(f"{self._name}-p{number}"))
        for number in range(1, OUTSIDERS + 1):
            self.outsiders.append(await self._system.person(f"{self._name}-o{number}"))
        for group in (self.people, self.outsiders):
            for place, one in enumerate(group):
                for other in group[place + 1 :]:
                    known = between(one.email, other.email)
                    self._recorder.add(Opened(known.id, known.participants, at=0.0))
        entrances = self._system.entrances
        for person in self.people:
            for device in ("phone", "laptop"):
                self.devices.append(
                    await self._device(person, device, _from(entrances, self._dice))
                )
            self._visitors.append(await self._visitor(person))
        for person in self.outsiders:
            for entrance in entrances:
                # Mostly at this instance: elsewhere only while it is away.
                others = [one for one in entrances if one is not entrance]
                preferred = [entrance, entrance, entrance, *others]
                name = f"at-{entrance.name}"
                self._outside_devices.append(await self._device(person, name, preferred))
            self._visitors.append(await self._visitor(person))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    @property
    def all_devices(self) -> list[Device]:
        return [*self.devices, *self._outside_devices]

    @property
    def visitors(self) -> list[Visitor]:
        return self._visitors

    def pairs(self) -> list[tuple[Person, Person]]:
        """Everybody who may have a conversation."""
        return [
            (one, other)
            for group in (self.people, self.outsiders)
            for place, one in enumerate(group)
            for other in group[place + 1 :]
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Act until `stop`; returns when every answer is there, or will not come."""
        async with asyncio.TaskGroup() as group:
            for device in self.all_devices:
                group.create_task(self._use(device, Random(self._dice.random()), stop))
            for visitor in self._visitors:
                group.create_task(self._run_errands(visitor, Random(self._dice.random()), stop))

    async def _use(self, device: Device, dice: Random, stop: asyncio.Event) -> None:
        group = self.people if device.person in self.people else self.outsiders
        others = [one for one in group if one is not device.person]
        while not await _within(stop, dice.uniform(0.2, 1.8) * PACE_SECONDS):
            if len(device.outbox) >= WINDOW:
                continue
            other = dice.choice(others)
            conversation = between(device.person.email, other.email).id
            mine = device.mine.get(conversation, [])
            act = dice.random()
            if act < 0.66 or not mine:
                device.say(other, self._text(dice))
            elif act < 0.78:
                device.edit(conversation, dice.choice(mine), self._text(dice))
            elif act < 0.82:
                device.delete(conversation, mine.pop(dice.randrange(len(mine))))
            elif act < 0.95:
                seq = dice.randint(1, max(1, device.cursors.get(conversation, 1)))
                name = dice.choice(("received", "read"))
                await device.tell({"type": "mark", "conversation": conversation, name: seq})
            else:
                await device.tell({"type": "typing", "to": other.email, "active": True})

    async def _run_errands(self, visitor: Visitor, dice: Random, stop: asyncio.Event) -> None:
        group = self.people if visitor.person in self.people else self.outsiders
        others = [one for one in group if one is not visitor.person]
        mine = [one for one in self.all_devices if one.person is visitor.person]
        said: list[tuple[Person, str, str]] = []
        while not await _within(stop, dice.uniform(0.5, 3.0) * PACE_SECONDS):
            other = dice.choice(others)
            conversation = between(visitor.person.email, other.email).id
            act = dice.random()
            if act < 0.3 or not said:
                text = self._text(dice)
                if (id := await visitor.say(other, text)) is not None:
                    said.append((other, id, text))
            elif act < 0.4:
                await visitor.say_everywhere(other, self._text(dice))
            elif act < 0.5:
                await visitor.repeat(*dice.choice(said))
            elif act < 0.6:
                whom, id, _ = dice.choice(said)
                about = between(visitor.person.email, whom.email).id
                await visitor.edit(about, id, self._text(dice))
            elif act < 0.64:
                whom, id, _ = said.pop(dice.randrange(len(said)))
                about = between(visitor.person.email, whom.email).id
                await visitor.delete(about, id)
            elif act < 0.8:
                seq = dice.choice(mine).cursors.get(conversation, 0)
                if seq:
                    await visitor.mark(conversation, dice.randint(1, seq))
            elif act < 0.95 or group is self.people:
                await visitor.look(other)
            else:
                one, two = dice.sample(self.people, 2)
                ids = [id for one in self.devices for kept in one.mine.values() for id in kept]
                await visitor.trespass(one, two, dice.choice(ids) if ids else None)

    def _text(self, dice: Random) -> str:
        long = LONG_TEXT[: dice.randrange(2000)] if dice.random() < 0.05 else ""
        return f"number {next(self._numbers)} {long}".rstrip()

    async def _device(self, person: Person, name: str, entrances: Sequence[Entrance]) -> Device:
        short = person.email.split("@")[0]
        device = Device(f"{name} of {short}", person, entrances, self._recorder)
        return await self._stack.enter_async_context(device)

    async def _visitor(self, person: Person) -> Visitor:
        short = person.email.split("@")[0]
        dice = Random(self._dice.random())
        visitor = Visitor(f"visitor {short}", person, self._system.entrances, self._recorder, dice)
        return await self._stack.enter_async_context(visitor)


def _from(entrances: Sequence[Entrance], dice: Random) -> list[Entrance]:
    """All of them, beginning with any."""
    first = dice.randrange(len(entrances))
    return [*entrances[first:], *entrances[:first]]


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
