"""What people do while things break: talk on several devices, change what they said, mark, type."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import count
from random import Random
from typing import Self

from chat_service.log.conversation import between
from tests.fault.chaos.chronicle import chronicle
from tests.fault.chaos.history import Opened, Recorder
from tests.fault.chaos.system import Entrance, System
from tests.fault.chaos.visitor import Visitor
from tests.support.conditions import set_within
from tests.support.device import Device
from tests.support.system import Person

PEOPLE = 5
OUTSIDERS = 2
PACE_SECONDS = 0.25
"""Between two acts of a device, on average."""
WINDOW = 12
"""Unanswered ops of a device."""
HEARTBEAT_SECONDS = 8.0
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
        self._said: defaultdict[tuple[Device, str], list[str]] = defaultdict(list)
        self._numbers = count(1)

    async def __aenter__(self) -> Self:
        try:
            await self._gather()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """After it, the recorder has what all devices did and saw."""
        await self._stack.aclose()
        instances = {entrance.url: entrance.name for entrance in self._system.entrances}
        for device in self.all_devices:
            chronicle(device, instances, self._recorder)

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

    async def _gather(self) -> None:
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

    async def _use(self, device: Device, dice: Random, stop: asyncio.Event) -> None:
        group = self.people if device.person in self.people else self.outsiders
        others = [one for one in group if one is not device.person]
        while not await set_within(stop, dice.uniform(0.2, 1.8) * PACE_SECONDS):
            if len(device.outbox) >= WINDOW:
                continue
            other = dice.choice(others)
            conversation = between(device.person.email, other.email).id
            mine = self._acknowledged(device, conversation)
            act = dice.random()
            if act < 0.66 or not mine:
                self._said[device, conversation].append(device.say(other, self._text(dice)))
            elif act < 0.78:
                device.edit(conversation, dice.choice(mine), self._text(dice))
            elif act < 0.82:
                deleted = dice.choice(mine)
                self._said[device, conversation].remove(deleted)
                device.delete(conversation, deleted)
            elif act < 0.95:
                seq = dice.randint(1, max(1, device.positions.cursors.get(conversation, 1)))
                name = dice.choice(("received", "read"))
                device.tell({"type": "mark", "conversation": conversation, name: seq})
            else:
                device.tell({"type": "typing", "to": other.email, "active": True})

    async def _run_errands(self, visitor: Visitor, dice: Random, stop: asyncio.Event) -> None:
        group = self.people if visitor.person in self.people else self.outsiders
        others = [one for one in group if one is not visitor.person]
        mine = [one for one in self.all_devices if one.person is visitor.person]
        said: list[tuple[Person, str, str]] = []
        while not await set_within(stop, dice.uniform(0.5, 3.0) * PACE_SECONDS):
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
                seq = dice.choice(mine).positions.cursors.get(conversation, 0)
                if seq:
                    await visitor.mark(conversation, dice.randint(1, seq))
            elif act < 0.95 or group is self.people:
                await visitor.look(other)
            else:
                one, two = dice.sample(self.people, 2)
                talks = [talk for talk in self._said if talk[0] in self.devices]
                ids = [id for talk in talks for id in self._acknowledged(*talk)]
                await visitor.trespass(one, two, dice.choice(ids) if ids else None)

    def _acknowledged(self, device: Device, conversation: str) -> list[str]:
        """Messages that it said there and did not delete."""
        return [id for id in self._said[device, conversation] if id in device.acks]

    def _text(self, dice: Random) -> str:
        long = LONG_TEXT[: dice.randrange(2000)] if dice.random() < 0.05 else ""
        return f"number {next(self._numbers)} {long}".rstrip()

    async def _device(self, person: Person, name: str, entrances: Sequence[Entrance]) -> Device:
        short = person.email.split("@")[0]
        urls = [entrance.url for entrance in entrances]
        device = Device(person, *urls, name=f"{name} of {short}", heartbeat=HEARTBEAT_SECONDS)
        # Whoever is at the other end may be stopped: no closing handshake.
        self._stack.push_async_callback(device.leave, vanish=True)
        await device.join()
        return device

    async def _visitor(self, person: Person) -> Visitor:
        short = person.email.split("@")[0]
        dice = Random(self._dice.random())
        visitor = Visitor(f"visitor {short}", person, self._system.entrances, self._recorder, dice)
        return await self._stack.enter_async_context(visitor)


def _from(entrances: Sequence[Entrance], dice: Random) -> list[Entrance]:
    """All of them, beginning with any."""
    first = dice.randrange(len(entrances))
    return [*entrances[first:], *entrances[:first]]
