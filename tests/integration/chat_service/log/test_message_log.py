"""The message log on a real MongoDB. Promises: an acknowledged message is never lost, none is there
twice, and each conversation is numbered 1, 2, 3 ... with each sender's messages in their order."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from pymongo import MongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from chat_service.log.bounds import LogSettings
from chat_service.log.conversation import Conversation, between
from chat_service.log.entries import Announcement, Committed, Draft, Entry, Settle
from chat_service.log.message_log import MessageLog
from chat_service.log.store import EntryStore, Inserted, Uncertain
from deploy.local.backing.mongodb import MongoServer
from shared.errors import IdConflict, ServiceError, Unavailable
from shared.mongo import OPTIONS, Blocking, Database, Document, Mongo

ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@example.org"
PATIENCE_SECONDS = 30.0


class Sending:
    """One message on its way, and what became of it: `answers` has one in the end."""

    def __init__(self, draft: Callable[[Settle], Draft]) -> None:
        self.draft = draft(self._settle)
        self.answers: list[Entry | ServiceError] = []
        self.repeated = False

    def _settle(self, _: Draft, outcome: Entry | ServiceError, repeated: bool) -> None:
        self.answers.append(outcome)
        self.repeated = repeated

    @property
    def acknowledged(self) -> bool:
        return bool(self.answers) and isinstance(self.answers[-1], Entry)

    @property
    def entry(self) -> Entry:
        assert isinstance(self.answers[-1], Entry), self.answers
        return self.answers[-1]

    @property
    def error(self) -> ServiceError:
        assert isinstance(self.answers[-1], ServiceError), self.answers
        return self.answers[-1]


class Writer:
    """One instance's log, running."""

    def __init__(self, store: EntryStore, settings: LogSettings) -> None:
        self.log = MessageLog(store, settings)
        self.announced: list[Announcement] = []
        self.committed: list[Committed] = []
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._running = asyncio.create_task(self.log.run(self._committed, self._announce))

    async def stop(self) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    def submit(
        self, conversation: Conversation, sender: str, text: str = "hello", id: UUID | None = None
    ) -> Sending:
        sending = Sending(
            lambda settle: Draft.message(
                conversation, id or uuid4(), sender, text=text, settle=settle
            )
        )
        self.log.submit(sending.draft)
        return sending

    def edit(self, message: Sending, text: str) -> Sending:
        draft = message.draft
        sending = Sending(
            lambda settle: Draft.edit(
                draft.conversation, uuid4(), draft.sender, draft.id, text=text, settle=settle
            )
        )
        self.log.submit(sending.draft)
        return sending

    def submit_again(self, before: Sending) -> Sending:
        draft = before.draft
        return self.submit(draft.conversation, draft.sender, draft.text or "", draft.id)

    async def send(
        self, conversation: Conversation, sender: str, text: str = "hello", id: UUID | None = None
    ) -> Sending:
        sending = self.submit(conversation, sender, text, id)
        await self.settled([sending])
        return sending

    async def settled(self, sendings: Iterable[Sending]) -> None:
        """Returns when each has an answer."""
        await self.until(lambda: all(sending.answers for sending in sendings))

    async def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert self._running is not None
            assert not self._running.done(), "the log has ended"
            assert time.monotonic() < deadline, "it did not come"
            await asyncio.sleep(0.002)

    def _committed(self, batch: Sequence[Committed]) -> None:
        self.committed += batch
        for item in batch:
            item.draft.settle(item.draft, item.entry, item.repeated)

    def _announce(self, announcements: Sequence[Announcement]) -> None:
        self.announced += announcements


class RoundTrips(CommandListener):
    """The names of the commands that a client sent."""

    def __init__(self) -> None:
        self.commands: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.commands.append(event.command_name)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


class Stage:
    """A database of its own, and as many logs on it as a test wants."""

    def __init__(self, mongo: Mongo) -> None:
        self.mongo = mongo
        self.writers: list[Writer] = []

    @property
    def database(self) -> Database:
        return self.mongo.database

    def writer(self, blocking: Blocking | None = None, **settings: Any) -> Writer:
        store = EntryStore(self.mongo.ready_database, blocking or self.mongo.blocking)
        writer = Writer(store, LogSettings(**{"max_wait": PATIENCE_SECONDS, **settings}))
        writer.start()
        self.writers.append(writer)
        return writer

    async def stored(self, conversation: Conversation) -> list[Document]:
        query = {"convo": conversation.id}
        return await self.database["messages"].find(query).sort("seq", 1).to_list(None)

    async def assert_gapless(self, conversation: Conversation) -> list[Document]:
        """Numbered 1, 2, 3 ..., every id once; returns the entries."""
        entries = await self.stored(conversation)
        assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
        assert len({entry["_id"] for entry in entries}) == len(entries)
        moments = [entry["timestamp"] for entry in entries]
        assert moments == sorted(moments)
        return entries


@pytest.fixture
async def stage(mongo_url: str) -> AsyncIterator[Stage]:
    mongo = Mongo(mongo_url, f"log_{uuid4().hex}", EntryStore.prepare)
    await mongo.run()
    stage = Stage(mongo)
    yield stage
    for writer in stage.writers:
        await writer.stop()
    mongo.close()


@pytest.fixture
def pairs() -> list[Conversation]:
    return [between(ANN, BOB), between(ANN, EVE), between(BOB, EVE)]


async def test_two_logs_at_once_number_without_gap_and_keep_the_order_of_each_sender(
    stage: Stage, pairs: list[Conversation]
) -> None:
    here, there = (stage.writer(batch=32) for _ in range(2))
    sendings: list[Sending] = []

    async def talk(writer: Writer, sender: int) -> None:
        for number in range(300):
            for pair in pairs:
                name = pair.participants[sender]
                sendings.append(writer.submit(pair, name, f"{number}"))
            if number % 7 == 0:
                await asyncio.sleep(0)

    await asyncio.gather(talk(here, 0), talk(there, 1))
    await here.settled(sendings)
    assert all(sending.acknowledged and not sending.repeated for sending in sendings)
    for pair in pairs:
        entries = await stage.assert_gapless(pair)
        assert len(entries) == 600
        for sender in pair.participants:
            texts = [entry["text"] for entry in entries if entry["sender"] == sender]
            assert texts == [str(number) for number in range(300)]
    answered = {sending.draft.id: sending.entry.seq for sending in sendings}
    assert len(answered) == len(sendings)


@pytest.mark.parametrize("lanes", [1, 3])
async def test_several_lanes_keep_the_order_of_each_conversation(
    stage: Stage, pairs: list[Conversation], lanes: int
) -> None:
    writer = stage.writer(lanes=lanes, batch=16)
    sendings = [
        writer.submit(pair, ANN if ANN in pair.participants else BOB, str(number))
        for number in range(100)
        for pair in pairs
    ]
    await writer.settled(sendings)
    for pair in pairs:
        texts = [entry["text"] for entry in await stage.assert_gapless(pair)]
        assert texts == [str(number) for number in range(100)]


async def test_an_id_twice_in_one_batch_is_stored_once(
    stage: Stage, pairs: list[Conversation]
) -> None:
    writer = stage.writer()
    id = uuid4()
    first, again, after = (
        writer.submit(pairs[0], ANN, "once", id),
        writer.submit(pairs[0], ANN, "once", id),
        writer.submit(pairs[0], ANN, "after"),
    )
    await writer.settled([first, again, after])
    assert first.entry == again.entry
    assert (first.repeated, again.repeated) == (False, True)
    assert [entry["text"] for entry in await stage.assert_gapless(pairs[0])] == ["once", "after"]


async def test_a_repeated_id_gives_the_first_answer_on_every_log(
    stage: Stage, pairs: list[Conversation]
) -> None:
    here, there = stage.writer(), stage.writer()
    first = await here.send(pairs[0], ANN, "once")
    await there.send(pairs[0], BOB, "between")
    for writer in (here, there):
        again = writer.submit_again(first)
        await writer.settled([again])
        assert again.entry == first.entry
        assert again.repeated
    assert len(await stage.assert_gapless(pairs[0])) == 2


async def test_an_id_sent_to_two_logs_in_the_same_moment_is_stored_once(
    stage: Stage, pairs: list[Conversation]
) -> None:
    here, there = stage.writer(), stage.writer()
    ids = [uuid4() for _ in range(200)]
    ours = [here.submit(pairs[0], ANN, str(id), id) for id in ids]
    theirs = [there.submit(pairs[0], ANN, str(id), id) for id in ids]
    await here.settled(ours + theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.entry == other.entry
        assert [one.repeated, other.repeated].count(False) == 1
    entries = await stage.assert_gapless(pairs[0])
    assert [entry["_id"] for entry in entries] == ids


async def test_an_id_of_somebody_elses_or_of_another_conversation_is_a_conflict(
    stage: Stage, pairs: list[Conversation]
) -> None:
    writer = stage.writer()
    first = await writer.send(pairs[0], ANN, "mine")
    id = first.draft.id
    others = [
        writer.submit(pairs[0], BOB, "mine", id),
        writer.submit(pairs[1], ANN, "mine", id),
    ]
    fine = writer.submit(pairs[1], ANN, "fine")
    await writer.settled([*others, fine])
    for other in others:
        assert isinstance(other.error, IdConflict)
    assert fine.entry.seq == 1
    assert len(await stage.assert_gapless(pairs[0])) == 1


async def test_a_batch_full_of_repeats_costs_few_round_trips(
    stage: Stage, mongo_url: str, pairs: list[Conversation]
) -> None:
    before = stage.writer()
    old = [before.submit(pairs[0], ANN, str(number)) for number in range(128)]
    await before.settled(old)
    trips = RoundTrips()
    client: MongoClient[Document] = MongoClient(mongo_url, event_listeners=[trips], **OPTIONS)
    blocking = Blocking(client, stage.database.name)
    writer = stage.writer(blocking)
    mixed = []
    for sending in old:
        mixed += [writer.submit_again(sending), writer.submit(pairs[0], ANN, "new")]
    await writer.settled(mixed)
    assert [sending.repeated for sending in mixed] == [True, False] * 128
    assert len(await stage.assert_gapless(pairs[0])) == 256
    assert trips.commands.count("insert") == 2
    assert len(trips.commands) <= 5
    blocking.close()


async def test_a_collision_of_positions_keeps_the_order_of_the_sender(
    stage: Stage, pairs: list[Conversation]
) -> None:
    here, there = stage.writer(), stage.writer()
    await here.send(pairs[0], ANN, "0")  # now it believes to know the head
    for number in range(3):
        await there.send(pairs[0], BOB, str(number))
    sendings = [here.submit(pairs[0], ANN, str(number)) for number in range(1, 6)]
    await here.settled(sendings)
    assert [sending.entry.seq for sending in sendings] == [5, 6, 7, 8, 9]
    await stage.assert_gapless(pairs[0])


async def test_a_flood_of_edits_does_not_hold_up_the_messages_of_others(
    stage: Stage, pairs: list[Conversation]
) -> None:
    writer = stage.writer()
    mine, others, also_edited = pairs
    message = await writer.send(mine, ANN)
    theirs = await writer.send(also_edited, BOB)
    flood = [writer.edit(message, str(number)) for number in range(200)]
    sendings = [writer.submit(others, EVE, str(number)) for number in range(50)]
    await writer.settled(sendings)
    assert not flood[-1].answers
    await writer.settled([writer.edit(theirs, "once"), writer.submit(also_edited, BOB, "next")])
    assert not flood[-1].answers
    await writer.settled(flood)
    assert [sending.entry.seq for sending in flood] == list(range(2, 202))
    assert (await stage.stored(mine))[0]["text"] == "199"
    await asyncio.wait_for(writer.log.drained(), PATIENCE_SECONDS)
    assert (writer.log.pending, writer.log.under_way) == (0, 0)


async def test_messages_and_edits_of_a_conversation_keep_the_order_they_were_sent_in(
    stage: Stage, pairs: list[Conversation]
) -> None:
    writer = stage.writer(batch=16)
    sendings: dict[Conversation, list[Sending]] = {pair: [] for pair in pairs}
    for number in range(60):
        for pair, sent in sendings.items():
            message = writer.submit(pair, pair.participants[0], str(number))
            sent.append(message)
            if number % 3:
                sent.append(writer.edit(message, f"{number}!"))
        if number % 7 == 0:
            await asyncio.sleep(0.001 * number)
    for pair, sent in sendings.items():
        await writer.settled(sent)
        assert [sending.entry.seq for sending in sent] == list(range(1, len(sent) + 1))
        await stage.assert_gapless(pair)


async def test_two_logs_that_edit_one_message_lose_and_reorder_nothing(
    stage: Stage, pairs: list[Conversation]
) -> None:
    here, there = (stage.writer() for _ in range(2))
    message = await here.send(pairs[0], ANN)
    edits = [
        [writer.edit(message, f"{number}") for number in range(60)] for writer in (here, there)
    ]
    for sent in edits:
        await here.settled(sent)
        seqs = [sending.entry.seq for sending in sent]
        assert seqs == sorted(seqs)
    assert len(await stage.assert_gapless(pairs[0])) == 121


async def test_too_many_waiting_drafts_are_refused_at_once(
    stage: Stage, pairs: list[Conversation]
) -> None:
    writer = stage.writer(max_pending=10)
    waiting = [writer.submit(pairs[0], ANN) for _ in range(10)]
    with pytest.raises(Unavailable) as refusal:
        writer.submit(pairs[0], ANN)
    assert refusal.value.retry_after is not None
    assert writer.log.counts.failed == 1
    await writer.settled(waiting)
    assert all(sending.acknowledged for sending in waiting)
    assert (await writer.send(pairs[0], ANN)).entry.seq == 11


async def test_a_mongodb_killed_in_the_middle_of_committing_loses_and_doubles_nothing(
    stage: Stage, mongo_server: MongoServer, pairs: list[Conversation]
) -> None:
    writer = stage.writer(batch=16)
    sendings: list[Sending] = []
    enough = asyncio.Event()

    async def talk() -> None:
        number = 0
        while not enough.is_set():
            sendings.extend(
                writer.submit(pair, pair.participants[0], str(number)) for pair in pairs
            )
            number += 1
            await asyncio.sleep(0.001)

    talking = asyncio.create_task(talk())
    await writer.until(lambda: sum(sending.acknowledged for sending in sendings) > 200)
    await asyncio.to_thread(mongo_server.kill)
    enough.set()
    await talking
    await writer.settled(sendings)
    failed = [sending for sending in sendings if not sending.acknowledged]
    assert failed
    for sending in failed:
        assert isinstance(sending.error, Unavailable)
        assert sending.error.retry_after is not None
    assert writer.log.counts.failed == len(failed)
    assert writer.announced == []

    await asyncio.to_thread(mongo_server.start)
    await writer.until(lambda: bool(writer.announced))
    for pair in pairs:
        stored = await stage.assert_gapless(pair)
        for news in writer.announced:
            if news.conversation == pair.id:
                assert (news.first, news.second) == pair.participants
                assert news.head == len(stored)
        ids = {entry["_id"]: entry["seq"] for entry in stored}
        for sending in sendings:
            if sending.acknowledged and sending.draft.conversation == pair:
                assert ids[sending.draft.id] == sending.entry.seq

    again = [writer.submit_again(sending) for sending in failed]
    await writer.settled(again)
    assert all(sending.acknowledged for sending in again)
    assert {len(sending.answers) for sending in (*sendings, *again)} == {1}
    stored_ids: list[UUID] = []
    for pair in pairs:
        entries = await stage.assert_gapless(pair)
        assert [entry["text"] for entry in entries] == [str(n) for n in range(len(entries))]
        stored_ids += [entry["_id"] for entry in entries]
    assert sorted(stored_ids) == sorted(sending.draft.id for sending in sendings)


async def test_what_was_stored_without_being_confirmed_is_announced(
    stage: Stage, pairs: list[Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unconfirmed(self: EntryStore, entries: Sequence[Entry]) -> Inserted:
        await insert(self, entries)
        raise Uncertain(Unavailable("not confirmed"))

    insert = EntryStore.insert
    before = stage.writer()
    for _ in range(5):
        await before.send(pairs[0], ANN)
    writer = stage.writer()
    monkeypatch.setattr("chat_service.log.outcome.GIVE_UP_SECONDS", 0)
    monkeypatch.setattr(EntryStore, "insert", unconfirmed)
    sending = await writer.send(pairs[0], ANN, "doubtful")
    assert isinstance(sending.error, Unavailable)
    monkeypatch.undo()
    again = writer.submit_again(sending)
    after = writer.submit(pairs[0], ANN, "after")
    await writer.settled([again, after])
    assert [(item.entry.seq, item.repeated) for item in writer.committed] == [(6, True), (7, False)]
    await writer.until(lambda: bool(writer.announced))
    assert writer.announced == [Announcement(pairs[0].id, *pairs[0].participants, 7)]


async def test_a_commit_survives_a_short_outage_without_an_error(
    stage: Stage, mongo_server: MongoServer, pairs: list[Conversation]
) -> None:
    writer = stage.writer()
    await writer.send(pairs[0], ANN)
    mongo_server.pause()
    sendings = [writer.submit(pairs[0], ANN, str(number)) for number in range(20)]
    await writer.until(lambda: writer.log.under_way == len(sendings))
    assert not any(sending.answers for sending in sendings)
    mongo_server.resume()
    await writer.settled(sendings)
    assert [sending.entry.seq for sending in sendings] == list(range(2, 22))


async def test_a_drained_log_has_answered_everything(
    stage: Stage, pairs: list[Conversation]
) -> None:
    writer = stage.writer()
    await writer.send(pairs[0], ANN)
    sendings = [writer.submit(pairs[0], ANN, str(number)) for number in range(50)]
    await asyncio.wait_for(writer.log.drained(), PATIENCE_SECONDS)
    assert all(sending.acknowledged for sending in sendings)
    assert len(await stage.assert_gapless(pairs[0])) == 51
