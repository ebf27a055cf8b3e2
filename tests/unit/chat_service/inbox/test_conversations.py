"""Which conversations an instance remembers."""

from collections.abc import Iterable
from typing import cast

import pytest

from chat_service.inbox import conversations as remembering
from chat_service.inbox.conversations import Conversations
from chat_service.inbox.store import InboxStore
from chat_service.log.conversation import Conversation, between
from shared.errors import NotParticipant

ANN = "ann@example.org"
BUSY, QUIET, NEW = "busy@example.org", "quiet@example.org", "new@example.org"


class Store:
    """Everybody has a conversation with `ANN`; `asked` are the ids that were looked up."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def exists(self, conversation: str) -> bool:
        self.asked.append(conversation)
        return True

    async def of(self, employee: str, ids: Iterable[str]) -> dict[str, Conversation]:
        self.asked += ids
        everybody = [between(ANN, other) for other in (BUSY, QUIET, NEW)]
        return {one.id: one for one in everybody if one.id in ids and employee in one.participants}


async def exists(email: str, token: str) -> None:
    return


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(remembering, "KNOWN", 2)
    return Store()


@pytest.fixture
def conversations(store: Store) -> Conversations:
    return Conversations(cast(InboxStore, store), exists)


async def test_the_busiest_old_conversation_stays_known(conversations: Conversations) -> None:
    for other in (BUSY, QUIET, BUSY, NEW):
        await conversations.find(ANN, other)
    assert conversations.known(ANN, BUSY) == between(ANN, BUSY)
    assert conversations.known(ANN, QUIET) is None


async def test_the_busiest_old_conversation_stays_known_by_its_id(
    conversations: Conversations, store: Store
) -> None:
    for other in (BUSY, QUIET, BUSY, NEW):
        await conversations.get(ANN, between(ANN, other).id)
    store.asked.clear()
    await conversations.get(ANN, between(ANN, BUSY).id)
    assert store.asked == []
    await conversations.get(ANN, between(ANN, QUIET).id)
    assert store.asked == [between(ANN, QUIET).id]


async def test_a_known_conversation_is_still_none_of_a_stranger(
    conversations: Conversations,
) -> None:
    id = between(ANN, BUSY).id
    await conversations.get(ANN, id)
    with pytest.raises(NotParticipant):
        await conversations.get(QUIET, id)
