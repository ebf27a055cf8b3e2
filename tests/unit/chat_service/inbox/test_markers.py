"""Marks are written, however many conversations are remembered."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from typing import cast

import pytest

from chat_service.inbox import markers as marking
from chat_service.inbox.markers import Marking
from chat_service.inbox.store import NO_MARKERS, InboxStore, Marker, Markers
from chat_service.log.conversation import Conversation, between
from chat_service.log.entries import Head
from chat_service.log.heads import Heads
from chat_service.log.store import EntryStore
from shared import tasks
from shared.errors import Unavailable

ANN = "ann@example.org"


class Database:
    """The markers of conversations, and which were asked for.

    Writing fails with each of `failures` first; `writing` is called in the middle of it.
    """

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.writing: Callable[[], None] = lambda: None
        self.written: dict[tuple[str, int], Marker] = {}
        self.asked: list[set[str]] = []

    async def markers(self, ids: Iterable[str]) -> dict[str, Markers]:
        self.asked.append(set(ids))
        return dict.fromkeys(ids, NO_MARKERS)

    async def mark(self, marks: Mapping[tuple[str, int], Marker]) -> None:
        self.writing()
        if self.failures:
            raise self.failures.pop(0)
        self.written.update(marks)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setattr(marking, "KNOWN", 2)
    monkeypatch.setattr(marking, "COALESCE_SECONDS", 0.0)
    monkeypatch.setattr(tasks, "RETRY_SECONDS", 0.0)
    return Database()


@pytest.fixture
def conversations() -> list[Conversation]:
    return [between(ANN, f"{name}@example.org") for name in ("bob", "eve", "joe")]


@pytest.fixture
async def marks(database: Database, conversations: list[Conversation]) -> AsyncIterator[Marking]:
    heads = Heads()
    for conversation in conversations:
        heads.put(conversation.id, Head(9, 0))
    marks = Marking(cast(InboxStore, database), cast(EntryStore, None), heads, lambda *_: None)
    running = asyncio.create_task(marks.run())
    yield marks
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_mark_of_the_conversation_known_for_longest_is_written(
    database: Database, conversations: list[Conversation], marks: Marking
) -> None:
    bob, eve, joe = conversations
    for conversation in (bob, eve):
        marks.mark(ANN, conversation, 1, 1)
        await marks.flushed()
    marks.mark(ANN, bob, 2, 2)
    marks.mark(ANN, joe, 1, 1)
    await marks.flushed()
    assert {id: marker.read for (id, _), marker in database.written.items()} == {
        bob.id: 2,
        eve.id: 1,
        joe.id: 1,
    }


async def test_the_conversation_that_was_not_marked_for_longest_is_forgotten(
    database: Database, conversations: list[Conversation], marks: Marking
) -> None:
    bob, eve, joe = conversations
    for conversation in (bob, eve, bob, joe):
        marks.mark(ANN, conversation, 1, 1)
        await marks.flushed()
    database.asked.clear()
    for conversation in (bob, joe):
        marks.mark(ANN, conversation, 2, 2)
        await marks.flushed()
    assert database.asked == []


async def test_more_marks_than_are_remembered_are_written_at_once(
    database: Database, conversations: list[Conversation], marks: Marking
) -> None:
    for conversation in conversations:
        marks.mark(ANN, conversation, 3, 2)
    await marks.flushed()
    assert list(database.written.values()) == [Marker(3, 2)] * 3
    assert len(database.asked) == 1


async def test_who_waits_for_marks_that_cannot_be_written_gets_the_error(
    database: Database, conversations: list[Conversation], marks: Marking
) -> None:
    database.failures = [Unavailable("away")]
    marks.mark(ANN, conversations[0], 1, 1)
    with pytest.raises(Unavailable):
        await marks.flushed()
    await marks.flushed()
    assert list(database.written.values()) == [Marker(1, 1)]


async def test_a_mark_made_while_others_are_written_is_written_next(
    database: Database, conversations: list[Conversation], marks: Marking
) -> None:
    def mark_again() -> None:
        database.writing = lambda: None
        marks.mark(ANN, conversations[0], 2, 2)

    database.writing = mark_again
    marks.mark(ANN, conversations[0], 1, 1)
    await marks.flushed()
    await marks.flushed()
    assert list(database.written.values()) == [Marker(2, 2)]
