"""Two instances that write to one conversation at the same time take turns.

Otherwise each would number its entries without knowing of the other's, and one of them would lose
every race for a position. The turn passes with the events: after an entry of ours it is theirs,
until an event of theirs arrives, or none has come for a while. It begins with a lost race, and ends
when the other does not answer.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from chat_service.log.entries import Draft


class Alternation:
    """Parks drafts of conversations in which it is another instance's turn.

    `release` is given what was parked, in its order, once it is this instance's turn. It comes
    after `patience` seconds at the latest.
    """

    def __init__(
        self, release: Callable[[Sequence[Draft]], None], patience: Callable[[], float]
    ) -> None:
        self._release = release
        self._patience = patience
        self._ours: set[str] = set()
        self._theirs: dict[str, asyncio.TimerHandle] = {}
        self._parked: dict[str, list[Draft]] = {}

    def __len__(self) -> int:
        """Drafts that are parked."""
        return sum(map(len, self._parked.values())) if self._parked else 0

    def parks(self, draft: Draft) -> bool:
        """Park `draft` if its conversation has to wait for its turn."""
        conversation = draft.conversation.id
        if conversation not in self._theirs:
            return False
        self._parked.setdefault(conversation, []).append(draft)
        return True

    def collided(self, conversation: str) -> None:
        """Another instance was quicker; the next turn is ours."""
        if conversation not in self._theirs:
            self._ours.add(conversation)

    def committed(self, conversation: str) -> None:
        """An entry of ours is durable."""
        if conversation in self._ours:
            self._ours.remove(conversation)
            loop = asyncio.get_running_loop()
            self._theirs[conversation] = loop.call_later(
                self._patience(), self._give_up, conversation
            )

    def observed(self, conversation: str) -> None:
        """An entry of theirs is durable."""
        timer = self._theirs.pop(conversation, None)
        if timer is not None:
            timer.cancel()
            self._ours.add(conversation)
            self._pass_on(conversation)

    def take(self, conversations: Iterable[str]) -> list[Draft]:
        """Take out what is parked of these conversations."""
        return [draft for id in conversations for draft in self._parked.pop(id, ())]

    def take_all(self) -> list[Draft]:
        return self.take(list(self._parked))

    def _give_up(self, conversation: str) -> None:
        del self._theirs[conversation]
        self._pass_on(conversation)

    def _pass_on(self, conversation: str) -> None:
        parked = self._parked.pop(conversation, None)
        if parked is not None:
            self._release(parked)
