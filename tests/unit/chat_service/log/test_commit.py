"""The log over a database whose replies are made up: those that a real one gives in an election."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast
from uuid import uuid4

import pytest
from pymongo.errors import ExecutionTimeout

from chat_service.log.bounds import LogSettings
from chat_service.log.conversation import between
from chat_service.log.entries import EMPTY, Announcement, Committed, Draft, Entry, Head
from chat_service.log.message_log import MessageLog
from chat_service.log.store import EntryStore
from shared.errors import InternalError, ServiceError, Unavailable
from shared.mongo import Blocking, Database, Document, SyncDatabase

ANN, BOB = "ann@example.org", "bob@example.org"
PAIR = between(ANN, BOB)


class Replies:
    """A database that answers each command with the next of `replies`: a document or an error."""

    def __init__(self, *replies: Document | Exception) -> None:
        self.replies = list(replies)
        self.commands: list[Document] = []

    async def __call__(self, call: Callable[[SyncDatabase], Document]) -> Document:
        return call(cast(SyncDatabase, self))

    def command(self, command: Document) -> Document:
        self.commands.append(command)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def database(self) -> Database:
        return cast(Database, self)


class Store(EntryStore):
    """No conversation has an entry."""

    async def heads(self, conversations: Iterable[str], **_: Any) -> dict[str, Head]:
        return dict.fromkeys(conversations, EMPTY)


async def sent(replies: Replies) -> Entry | ServiceError:
    """What becomes of one message."""
    answer: asyncio.Future[Entry | ServiceError] = asyncio.get_running_loop().create_future()
    log = MessageLog(Store(replies.database, cast(Blocking, replies)), LogSettings(max_wait=30.0))
    running = asyncio.create_task(log.run(_committed, _doubtful))
    log.submit(
        Draft.message(
            PAIR, uuid4(), ANN, text="hi", settle=lambda _, outcome, __: answer.set_result(outcome)
        )
    )
    try:
        async with asyncio.timeout(10):
            return await answer
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _committed(batch: Sequence[Committed]) -> None:
    for item in batch:
        item.draft.settle(item.draft, item.entry, item.repeated)


def _doubtful(_: Sequence[Announcement]) -> None:
    pass


def refused(code: int) -> Document:
    return {"ok": 1, "n": 0, "writeErrors": [{"index": 0, "code": code, "errmsg": "no"}]}


@pytest.mark.parametrize("code", [50, 91, 189, 262, 10107, 11600, 11602, 13435, 13436])
async def test_a_primary_that_steps_down_within_an_insert_refuses_nothing(code: int) -> None:
    replies = Replies(refused(code), {"ok": 1, "n": 1})
    entry = await sent(replies)
    assert isinstance(entry, Entry)
    first, again = replies.commands
    assert first["documents"][0]["_id"] == again["documents"][0]["_id"]


async def test_an_insert_that_ran_out_of_time_is_tried_again() -> None:
    replies = Replies(ExecutionTimeout("too slow", 50), {"ok": 1, "n": 1})
    assert isinstance(await sent(replies), Entry)


async def test_a_primary_that_stays_away_is_no_fault_of_the_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat_service.log.outcome.GIVE_UP_SECONDS", 0)
    assert isinstance(await sent(Replies(refused(189))), Unavailable)


async def test_an_entry_that_the_database_takes_for_invalid_is_refused_for_good() -> None:
    assert isinstance(await sent(Replies(refused(2))), InternalError)
