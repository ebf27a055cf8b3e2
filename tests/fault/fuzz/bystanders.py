"""Two people who chat while others misbehave on the same instance: nothing of theirs may suffer."""

import asyncio
from collections import deque

from chat_service.log.conversation import between
from tests.support.client import ChatClient
from tests.support.system import Person, System


class Bystanders:
    """From `begin` to `end`, which checks. The ids of some of their messages are `overheard`."""

    def __init__(self, system: System, ann: Person, bob: Person, overheard: deque[str]) -> None:
        self._system = system
        self._ann = ann
        self._bob = bob
        self._overheard = overheard
        self.conversation = between(ann.email, bob.email).id
        self.acked: list[str] = []
        self._talking: asyncio.Task[None] | None = None
        self._ending = False

    async def begin(self) -> None:
        self._writer = await ChatClient.__aenter__(self._system.connect(self._ann))
        self._reader = await ChatClient.__aenter__(self._system.connect(self._bob))
        self._talking = asyncio.create_task(self._talk())

    async def end(self, *, may_resync: bool = False) -> None:
        """Raises what went wrong on the way."""
        assert self._talking is not None
        self._ending = True
        await self._talking
        await self._reader.wait("message", id=await self._say())
        self._check(may_resync)

    async def close(self) -> None:
        if self._talking is not None:
            self._talking.cancel()
            await asyncio.gather(self._talking, return_exceptions=True)
            await self._writer.close()
            await self._reader.close()

    async def _talk(self) -> None:
        while not self._ending:
            await self._say()

    async def _say(self) -> str:
        ack = await self._writer.said(self._bob.email, f"message {len(self.acked) + 1}")
        assert ack["type"] == "ack", ack
        self.acked.append(ack["id"])
        assert ack["seq"] == len(self.acked), ack
        if len(self.acked) % 50 == 0:
            self._overheard.append(ack["id"])
        return str(ack["id"])

    def _check(self, may_resync: bool) -> None:
        """Each message came once, in order; neither was disturbed by an error or a close."""
        came = [event for event in self._reader.messages if event["sender"] == self._ann.email]
        assert [event["id"] for event in came] == self.acked
        assert [event["seq"] for event in came] == list(range(1, len(came) + 1))
        for client in (self._writer, self._reader):
            assert client.close_code is None
            assert not client.of("error"), client.of("error")[:3]
            assert may_resync or not client.of("resync"), (
                "they were told that they may have missed something"
            )
