"""Summaries and markers over a collection whose writes fail as in an election."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import pytest
from pymongo.errors import BulkWriteError

from chat_service.inbox.store import InboxStore, Marker, Summary
from chat_service.inbox.summaries import Summaries
from chat_service.log.conversation import between
from chat_service.log.entries import Committed, Draft, Entry
from chat_service.log.store import EntryStore
from shared.errors import Unavailable
from shared.mongo import Database

ANN, BOB = "ann@example.org", "bob@example.org"
PAIR = between(ANN, BOB)


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

    def summaries(self) -> Summaries:
        return Summaries(self.inbox(), cast(EntryStore, None), interval=0)


def refused(code: int) -> BulkWriteError:
    error = {"index": 0, "code": code, "errmsg": "no"}
    return BulkWriteError({"n": 0, "writeErrors": [error], "writeConcernErrors": []})


STEPPED_DOWN, BAD_VALUE = 189, 2


async def test_markers_and_summaries_wait_for_the_next_primary() -> None:
    inbox = Convos(refused(STEPPED_DOWN), refused(STEPPED_DOWN)).inbox()
    with pytest.raises(Unavailable):
        await inbox.mark({(PAIR.id, 0): Marker(1, 1)})
    with pytest.raises(Unavailable):
        await inbox.summarise({PAIR.id: Summary(1, None, {})})


@pytest.mark.parametrize("code", [STEPPED_DOWN, BAD_VALUE])
async def test_a_summary_that_was_not_written_stays_noted(code: int) -> None:
    convos = Convos(refused(code))
    summaries = convos.summaries()
    summaries.note([_committed_first()])
    await asyncio.gather(summaries.write(), return_exceptions=True)
    assert convos.written == []
    await summaries.write()
    assert len(convos.written) == 1


async def test_a_summary_whose_writing_was_cancelled_stays_noted() -> None:
    convos = Convos(asyncio.CancelledError())
    summaries = convos.summaries()
    summaries.note([_committed_first()])
    with pytest.raises(asyncio.CancelledError):
        await summaries.write()
    await summaries.write()
    assert len(convos.written) == 1


def _committed_first() -> Committed:
    draft = Draft.message(PAIR, uuid4(), ANN, text="hi", settle=lambda *_: None)
    now = datetime.now(UTC)
    return Committed(draft, Entry(PAIR.id, 1, draft.id, ANN, "hi", now))
