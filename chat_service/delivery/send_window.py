"""How many sends of a socket may be unanswered: the bound on what one peer keeps waiting."""

import asyncio


class SendWindow:
    """Counts a socket's sends from `began` to `answered`.

    They are answered later, by a commit, so nobody waits here for one of them: the task that reads
    the socket waits for room, or for all of them. No other task may.
    """

    __slots__ = ("_answer", "_size", "free")

    def __init__(self, size: int) -> None:
        self.free = size
        """How many more may begin."""
        self._size = size
        self._answer: asyncio.Event | None = None

    def began(self) -> None:
        """A send is under way."""
        self.free -= 1

    def answered(self) -> None:
        """A send that was under way has its answer."""
        self.free += 1
        if self._answer is not None:
            self._answer.set()

    async def room(self) -> None:
        """Returns once another send may begin."""
        await self._until_free(1)

    async def quiet(self) -> None:
        """Returns once every send has its answer."""
        await self._until_free(self._size)

    async def _until_free(self, count: int) -> None:
        while self.free < count:
            self._answer = asyncio.Event()
            await self._answer.wait()
        self._answer = None
