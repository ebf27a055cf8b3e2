"""Drafts that wait, drawn in turns between employees: whoever has many delays only themselves."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from chat_service.log.entries import Draft


class Turns:
    """First in, first out for each sender; between senders, one each in turn."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Draft]] = {}
        self._order: deque[str] = deque()
        self._total = 0

    def __len__(self) -> int:
        return self._total

    def add(self, draft: Draft) -> None:
        waiting = self._waiting.get(draft.sender)
        if waiting is None:
            waiting = self._waiting[draft.sender] = deque()
            self._order.append(draft.sender)
        waiting.append(draft)
        self._total += 1

    def put_back(self, drafts: Sequence[Draft]) -> None:
        """Add drafts that were drawn before, in front of all others of their senders."""
        for draft in reversed(drafts):
            waiting = self._waiting.get(draft.sender)
            if waiting is None:
                waiting = self._waiting[draft.sender] = deque()
                self._order.append(draft.sender)
            waiting.appendleft(draft)
        self._total += len(drafts)

    def draw(self, most: int) -> list[Draft]:
        """The next `most` drafts, or all where there are fewer."""
        drawn: list[Draft] = []
        waiting, order = self._waiting, self._order
        for _ in range(min(most, self._total)):
            sender = order[0]
            mine = waiting[sender]
            drawn.append(mine.popleft())
            if mine:
                order.rotate(-1)
            else:
                order.popleft()
                del waiting[sender]
        self._total -= len(drawn)
        return drawn

    def ahead_of(self, sender: str) -> int:
        """How many drafts, at most, would be drawn before another one of `sender`."""
        mine = self._waiting.get(sender, ())
        return min(self._total, (len(mine) + 1) * len(self._order))

    def take(self, condition: Callable[[Draft], bool]) -> list[Draft]:
        """Take out all drafts for which `condition` holds, each sender's in order."""
        taken: list[Draft] = []
        left: list[Draft] = []
        for mine in self._waiting.values():
            for draft in mine:
                (taken if condition(draft) else left).append(draft)
        if taken:
            self._waiting.clear()
            self._order.clear()
            self._total = 0
            for draft in left:
                self.add(draft)
        return taken

    def overdue(self, seconds: float) -> set[str]:
        """The conversations of what has waited longer than `seconds`."""
        before = time.monotonic() - seconds
        return {
            draft.conversation.id
            for mine in self._waiting.values()
            for draft in _until(mine, before)
        }


def _until(drafts: deque[Draft], before: float) -> Iterator[Draft]:
    for draft in drafts:
        if draft.came_at >= before:
            return
        yield draft
