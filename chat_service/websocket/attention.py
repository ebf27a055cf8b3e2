"""How many ops an instance takes in one turn of the event loop, over all sockets.

What has arrived is received without a pause in between, and may be very much. With a bound, commits
and deliveries have their turn in the meantime, and sockets take theirs one after the other.
"""

import asyncio
from collections import deque

OPS = 128
"""In one turn of the event loop: two milliseconds of work, or three."""


class Attention:
    """Lets `OPS` ops through until the next turn of the event loop; the others wait for it, first
    come first."""

    def __init__(self) -> None:
        self._left = OPS
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Whether one more op may be handled now; otherwise `wait` for it."""
        if self._left == 0 or self._waiting:
            return False
        self._left -= 1
        return True

    async def wait(self) -> None:
        """Returns when an op may be handled."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._next_turn)
        await turn

    def _next_turn(self) -> None:
        self._left = OPS
        while self._waiting and self._left:
            turn = self._waiting.popleft()
            if not turn.done():
                self._left -= 1
                turn.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next_turn)
