"""Group reads: what is asked while a read is under way goes into the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Batcher(Generic[Question, Answer]):
    """Answers questions by `together`, which takes several and returns their answers in order.

    At most `lanes` calls are under way at once, more than one so that a slow call does not hold up
    everybody, and each takes at most `most` questions. While a lane is idle, a question goes at
    once.
    """

    def __init__(
        self,
        together: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]],
        *,
        most: int,
        lanes: int = 2,
    ) -> None:
        self._together = together
        self._most = most
        self._idle_lanes = lanes
        self._waiting: deque[tuple[Question, asyncio.Future[Answer]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, question: Question) -> Answer:
        """The answer to `question`. Raises what `together` raises."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._idle_lanes:
            self._idle_lanes -= 1
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def _work(self) -> None:
        try:
            while asked := self._next():
                await self._answer(asked)
        finally:
            self._idle_lanes += 1

    def _next(self) -> list[tuple[Question, asyncio.Future[Answer]]]:
        """The next questions whose askers still wait."""
        asked: list[tuple[Question, asyncio.Future[Answer]]] = []
        while self._waiting and len(asked) < self._most:
            question, answer = self._waiting.popleft()
            if not answer.done():
                asked.append((question, answer))
        return asked

    async def _answer(self, asked: Sequence[tuple[Question, asyncio.Future[Answer]]]) -> None:
        try:
            found = await self._together([question for question, _ in asked])
        except asyncio.CancelledError:
            for _, answer in asked:
                answer.cancel()
            raise
        except Exception as error:
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for (_, answer), each in zip(asked, found, strict=True):
                if not answer.done():
                    answer.set_result(each)
