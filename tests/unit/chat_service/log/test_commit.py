"""The log over a database whose replies are made up: those that a real one gives in an election."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import pytest
from pymongo.errors import BulkWriteError, ExecutionTimeout

from chat_service.inbox.store import InboxStore, Marker, Summary
from chat_service.inbox.summaries import Summaries
from chat_service.log.conversation import between
from chat_service.log.entries import EMPTY, Announcement, Committed, Draft, Entry, Head, Settle
from chat_service.log.message_log import LogSettings, MessageLog
from chat_service.log.store import EntryStore
from shared.errors import InternalError, ServiceError, Unavailable
from shared.mongo import Database, Document

ANN, BOB = "ann@example.org", "bob@example.org"
PAIR = between(ANN, BOB)


class Replies:
    """A database that answers each command with the next of `replies`: a document or an error."""

    def __init__(self, *replies: Document | Exception) -> None:
        self.replies = list(replies)
        self.commands: list[Document] = []

    async def command(self, command: Document) -> Document:
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
    log = MessageLog(Store(replies.database), LogSettings())
    running = asyncio.create_task(log.run(_committed, _doubtful))
    log.submit(_draft(lambda _, outcome, __: answer.set_result(outcome)))
    try:
        async with asyncio.timeout(10):
            return await answer
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _draft(settle: Settle) -> Draft:
    return Draft.message(conversation=PAIR, id=uuid4(), sender=ANN, text="hi", settle=settle)


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
    monkeypatch.setattr("chat_service.log.commit.GIVE_UP_SECONDS", 0)
    assert isinstance(await sent(Replies(refused(189))), Unavailable)


async def test_an_entry_that_the_database_takes_for_invalid_is_refused_for_good() -> None:
    assert isinstance(await sent(Replies(refused(2))), InternalError)


class Convos:
    """The collection `convos`, whose bulk writes fail with each of `failures` and then succeed."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.written: list[Any] = []

    def __getitem__(self, name: str) -> "Convos":
        assert name == "convos"
        return self

    async def bulk_write(self, updates: list[Any], *, ordered: bool) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.written += updates

    def inbox(self) -> InboxStore:
        return InboxStore(lambda: cast(Database, self))


def stepped_down() -> BulkWriteError:
    return BulkWriteError({**refused(189), "writeConcernErrors": []})


async def test_markers_and_summaries_wait_for_the_next_primary() -> None:
    inbox = Convos(stepped_down(), stepped_down()).inbox()
    with pytest.raises(Unavailable):
        await inbox.mark({(PAIR.id, 0): Marker(1, 1)})
    with pytest.raises(Unavailable):
        await inbox.summarise({PAIR.id: Summary(1, None, {})})


@pytest.mark.parametrize(
    "failure", [stepped_down(), BulkWriteError({**refused(2), "writeConcernErrors": []})]
)
async def test_a_summary_that_was_not_written_stays_noted(failure: BulkWriteError) -> None:
    convos = Convos(failure)
    summaries = Summaries(convos.inbox(), Store(lambda: cast(Database, convos)), interval=0)
    summaries.note([_committed_first()])
    await asyncio.gather(summaries.write(), return_exceptions=True)
    assert convos.written == []
    await summaries.write()
    assert len(convos.written) == 1


async def test_a_summary_whose_writing_was_cancelled_stays_noted() -> None:
    convos = Convos(asyncio.CancelledError())
    summaries = Summaries(convos.inbox(), Store(lambda: cast(Database, convos)), interval=0)
    summaries.note([_committed_first()])
    with pytest.raises(asyncio.CancelledError):
        await summaries.write()
    await summaries.write()
    assert len(convos.written) == 1


def _committed_first() -> Committed:
    draft = _draft(lambda *_: None)
    now = datetime.now(UTC)
    return Committed(draft, Entry(PAIR.id, 1, draft.id, ANN, "hi", now), 0, False)
