"""Devices that come and go as people's do, and account for every message."""

import asyncio
from collections.abc import Iterator, Sequence
from random import Random

from msgspec import Struct, field

from tests.support.conditions import set_within
from tests.support.device import Account, AnyFrame, Closed, Event, Failed, Messenger, Received

ONLINE_SECONDS = 40.0
AWAY_SECONDS = 8.0
TALK_SECONDS = 6.0
"""Means of exponential distributions: of a connection, between two, and between two messages."""
IDLE = 0.3
"""Of all connections: they say nothing."""
VANISHING = 0.5
"""Of all connections: they end without a close frame."""
CLOSED, CUT = 1000, 1006


class Tally(Struct):
    """What all devices have done, and `faults`: what no device may ever see."""

    connects: int = 0
    refused: int = 0
    sent: int = 0
    acked: int = 0
    delivered: int = 0
    resumed: int = 0
    lost_connections: int = 0
    faults: list[str] = field(default_factory=list)

    def fault(self, what: str) -> None:
        if len(self.faults) < 20:
            self.faults.append(what)


class Commuter(Messenger):
    """One person's only device, in one conversation. `head` is the last end of its log that it was
    told, `sent` how many messages it said."""

    def __init__(
        self,
        person: Account,
        other: Account,
        conversation: str,
        tally: Tally,
        random: Random,
    ) -> None:
        super().__init__(person, self._stops())
        self.positions.know(conversation)  # a resume is complete only where it is named
        self.head = 0
        self.sent = 0
        self._other = other
        self._conversation = conversation
        self._tally = tally
        self._random = random
        self._urls_now: Sequence[str] = ()
        self._goodbye: int | None = None
        """The close code to expect, when it leaves."""

    async def live(self, urls: Sequence[str], until: asyncio.Event) -> None:
        """Come and go until it is time, then leave."""
        self._urls_now = urls
        await set_within(until, self._random.uniform(0, AWAY_SECONDS))
        while not until.is_set():
            if await self._come():
                await self._stay(until)
            await self._go(vanish=self._random.random() < VANISHING)
            await set_within(until, self._random.expovariate(1 / AWAY_SECONDS))

    async def settle(self, url: str) -> None:
        """Once more, to send what is left and to hear what was missed."""
        self._urls_now = [url]
        if await self._come():
            try:
                await self.until(lambda: not self.outbox)
            except AssertionError:
                self._tally.fault(f"{len(self.outbox)} messages were not acknowledged")
        await self._go()

    async def catch_up(self, url: str) -> None:
        """When nobody writes any more: everything up to the head."""
        self._urls_now = [url]
        came = await self._come()
        await self._go()
        if came and (cursor := self.positions.know(self._conversation)) != self.head:
            self._tally.fault(f"has {cursor} of {self.head}")

    def record(self, frame: AnyFrame) -> None:
        tally = self._tally
        match frame:
            case Failed():
                tally.refused += 1
                tally.fault(f"could not connect: {frame.why}")
            case Received(event=event):
                self._received(event)
            case Closed():
                if self._goodbye is None:
                    tally.lost_connections += 1
                elif self._goodbye == CLOSED != frame.code:
                    tally.fault("a close frame was not answered")

    async def _come(self) -> bool:
        """Whether it was let in and has caught up."""
        self._goodbye = None
        try:
            await self.join()
        except AssertionError as error:
            self._tally.refused += 1
            self._tally.fault(f"could not come: {error}")
            return False
        self._tally.connects += 1
        return True

    async def _go(self, *, vanish: bool = False) -> None:
        self._goodbye = CUT if vanish else CLOSED
        await self.leave(vanish=vanish)

    async def _stay(self, until: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._random.expovariate(1 / ONLINE_SECONDS)
        idle = self._random.random() < IDLE
        while (left := ends - loop.time()) > 0 and self.online:
            pause = left if idle else min(left, self._random.expovariate(1 / TALK_SECONDS))
            if await set_within(until, pause):
                return
            if not idle and loop.time() < ends:
                self._talk()

    def _talk(self) -> None:
        chance = self._random.random()
        if chance < 0.2:
            self.tell({"type": "typing", "to": self._other.email, "active": True})
        elif chance < 0.4:
            cursor = self.positions.know(self._conversation)
            mark = {"conversation": self._conversation, "received": cursor, "read": cursor}
            self.tell({"type": "mark", **mark})
        else:
            self.say(self._other, f"message {self.sent}, as people write")
            self.sent += 1
            self._tally.sent += 1

    def _received(self, event: Event) -> None:
        tally = self._tally
        match event["type"]:
            case "message":
                tally.delivered += 1
                self._once(event)
            case "ack":
                tally.acked += event["id"] in self.outbox
            case "resumed":
                tally.resumed += 1
                state = event["conversations"].get(self._conversation)
                if state is not None:
                    self.head = state["head"]
                    if not state["complete"]:
                        tally.fault("a resume was not complete")
            case "error" | "going_away":
                tally.fault(f"told {event}")

    def _once(self, event: Event) -> None:
        """What comes while nothing was asked for must not have come before."""
        seq, mine = event["seq"], event["sender"] == self.person.email
        if not mine and not self.resuming and self.positions.has(event["conversation"], seq):
            self._tally.fault(f"entry {seq} came again")

    def _stops(self) -> Iterator[str]:
        while True:
            yield self._random.choice(self._urls_now)
