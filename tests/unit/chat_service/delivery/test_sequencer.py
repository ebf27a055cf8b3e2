"""The sequencer: in order and once where it knows, as it comes where it does not, never silent."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_service.delivery.backfill import Gap
from chat_service.delivery.sequencer import MAX_GAP, Sequencer
from chat_service.fanout.events import Event
from chat_service.log.entries import Announcement
from shared.errors import Unavailable

ANN, BOB = "ann@example.org", "bob@example.org"


class Stage:
    """A log in memory, attached employees, and what a sequencer makes of them."""

    def __init__(self) -> None:
        self.stays = (1, 0)
        self.log: dict[str, list[Event]] = {}
        self.released: list[tuple[str, int]] = []
        self.heads: list[tuple[str, int]] = []
        self.origins: list[object] = []
        self.reads: list[dict[str, Gap]] = []
        self.most = 500
        self.lost: set[int] = set()
        self.log_is_away = False
        self.sequencer = Sequencer(
            self.read,
            self._release,
            lambda news: self.heads.append((news.conversation, news.head)),
            lambda first, second: self.stays,
            gap_wait=0,
        )
        self._running = asyncio.create_task(self.sequencer.backfill.run())

    async def end(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    def commit(self, conversation: str = "c") -> Event:
        log = self.log.setdefault(conversation, [])
        seq = len(log) + 1
        log.append(Event(conversation, seq, 0, ANN, BOB, b"%d" % seq))
        return log[-1]

    def commits(self, count: int, conversation: str = "c") -> list[Event]:
        return [self.commit(conversation) for _ in range(count)]

    def offer(self, *events: Event) -> None:
        for event in events:
            self.sequencer.offer(event)

    def announce(self, head: int, conversation: str = "c") -> None:
        self.sequencer.announce(Announcement(conversation, ANN, BOB, head))

    def seqs(self, conversation: str = "c") -> list[int]:
        return [seq for id, seq in self.released if id == conversation]

    async def read(self, gaps: Mapping[str, Gap]) -> tuple[list[Event], bool]:
        self.reads.append(dict(gaps))
        await asyncio.sleep(0)
        if self.log_is_away:
            raise Unavailable("away")
        found = [
            event
            for id, gap in gaps.items()
            for event in self.log[id][gap.after : gap.upto]
            if event.seq not in self.lost
        ]
        return found[: self.most], len(found) <= self.most

    async def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert not self._running.done(), "the sequencer has ended"
            assert time.monotonic() < deadline, (self.released, self.heads)
            await asyncio.sleep(0.001)

    async def settled(self) -> None:
        """Returns when a gap that began after all others was filled."""
        one, *_, last = self.commits(3, "settled")
        self.offer(one, last)
        await self.until(lambda: self.seqs("settled") == [1, 2, 3])

    def _release(self, event: Event, origin: object) -> None:
        self.released.append((event.conversation, event.seq))
        self.origins.append(origin)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    await stage.end()


async def test_events_in_order_are_released_at_once(stage: Stage) -> None:
    stage.offer(*stage.commits(3))
    assert stage.seqs() == [1, 2, 3]


async def test_an_event_that_comes_twice_is_released_once(stage: Stage) -> None:
    one, two = stage.commits(2)
    stage.offer(one, two, one, two)
    assert stage.seqs() == [1, 2]


async def test_events_out_of_order_are_put_in_order(stage: Stage) -> None:
    one, two, three = stage.commits(3)
    stage.offer(one, three)
    assert stage.seqs() == [1]
    stage.offer(two)
    assert stage.seqs() == [1, 2, 3]
    await stage.settled()
    assert all("c" not in gaps for gaps in stage.reads)


async def test_a_gap_is_read_from_the_log(stage: Stage) -> None:
    one, _, _, four = stage.commits(4)
    stage.offer(one, four)
    await stage.until(lambda: stage.seqs() == [1, 2, 3, 4])
    assert stage.sequencer.backfill.entries == 2
    assert stage.heads == []


async def test_gaps_of_several_conversations_are_one_read(stage: Stage) -> None:
    for id in "cde":
        one, _, three = stage.commits(3, id)
        stage.offer(one, three)
    await stage.until(lambda: all(stage.seqs(id) == [1, 2, 3] for id in "cde"))
    assert len(stage.reads) == 1


async def test_what_does_not_fit_into_one_read_comes_with_the_next(stage: Stage) -> None:
    stage.most = 4
    for id in "cde":
        one, *_, last = stage.commits(6, id)
        stage.offer(one, last)
    await stage.until(lambda: all(stage.seqs(id) == [1, 2, 3, 4, 5, 6] for id in "cde"))
    assert stage.heads == []


async def test_the_first_events_are_released_as_they_come(stage: Stage) -> None:
    *_, eight, nine, ten, eleven = stage.commits(11)
    stage.offer(ten, nine, eight)
    assert stage.seqs() == [10, 9, 8]
    stage.offer(eleven)
    assert stage.seqs()[-1] == 11
    stage.offer(nine)  # a run without a gap has begun: this is a repeat, or the device resumes
    assert stage.seqs()[-1] == 11


async def test_an_announcement_where_nothing_is_known_tells_the_devices(stage: Stage) -> None:
    stage.commits(7)
    stage.announce(7)
    assert stage.heads == [("c", 7)]
    assert stage.released == []


async def test_an_announcement_of_what_was_released_tells_nobody(stage: Stage) -> None:
    stage.offer(*stage.commits(3))
    stage.announce(3)
    stage.announce(2)
    await stage.settled()
    assert stage.seqs() == [1, 2, 3]
    assert stage.heads == []


async def test_an_announcement_of_more_is_read_from_the_log(stage: Stage) -> None:
    one, *_ = stage.commits(4)
    stage.offer(one)
    stage.announce(4)
    await stage.until(lambda: stage.seqs() == [1, 2, 3, 4])


async def test_nothing_is_released_while_nobody_is_attached(stage: Stage) -> None:
    stage.stays = (0, 0)
    stage.offer(*stage.commits(2))
    stage.announce(2)
    assert (stage.released, stage.heads) == ([], [])


@pytest.mark.parametrize("between", [(0, 0), (0, 2)])
async def test_a_position_does_not_outlive_those_who_were_there(
    stage: Stage, between: tuple[int, int]
) -> None:
    one, _, three, _ = stage.commits(4)
    stage.offer(one)
    stage.stays = between
    stage.offer(three)
    stage.stays = (3, between[1]) if between == (0, 0) else (3, 4)
    stage.announce(4)
    assert stage.heads == [("c", 4)]


async def test_a_position_holds_while_either_stays(stage: Stage) -> None:
    one, two, _, four = stage.commits(4)
    stage.offer(one)
    stage.stays = (1, 2)
    stage.offer(two)
    stage.stays = (0, 2)
    stage.offer(four)
    await stage.until(lambda: stage.seqs() == [1, 2, 3, 4])


async def test_across_a_large_gap_the_devices_resume(stage: Stage) -> None:
    one, *_, last, after = stage.commits(MAX_GAP + 3)
    stage.offer(one, last)
    assert stage.heads == [("c", last.seq)]
    stage.offer(after)
    assert stage.seqs() == [1, after.seq]


async def test_what_the_log_does_not_have_is_left_to_the_devices(stage: Stage) -> None:
    one, _, three, four = stage.commits(4)
    stage.lost = {2}
    stage.offer(one, three)
    await stage.until(lambda: stage.heads == [("c", 3)])
    stage.offer(four)
    assert stage.seqs() == [1, 4]


async def test_a_gap_waits_while_the_log_is_away(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_service.delivery.backfill.RETRY_SECONDS", 0.001)
    stage.log_is_away = True
    one, _, three = stage.commits(3)
    stage.offer(one, three)
    await stage.until(lambda: len(stage.reads) > 3)
    assert stage.seqs() == [1]
    stage.log_is_away = False
    await stage.until(lambda: stage.seqs() == [1, 2, 3])


async def test_the_position_used_least_recently_is_forgotten(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_service.delivery.sequencer.KNOWN_POSITIONS", 2)
    stage.offer(stage.commit("c"), stage.commit("d"), stage.commit("c"), stage.commit("e"))
    for id in "cde":
        stage.announce(9, id)
    assert stage.heads == [("d", 9)]


async def test_what_a_forgotten_position_lacked_is_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_service.delivery.sequencer.KNOWN_POSITIONS", 1)
    stage.log_is_away = True
    one, _, three = stage.commits(3)
    stage.offer(one, three, stage.commit("d"))
    assert stage.heads == [("c", 3)]


async def test_the_origin_goes_with_its_event(stage: Stage) -> None:
    one, two = stage.commits(2)
    stage.sequencer.offer(one, "socket")
    stage.offer(two)
    assert stage.origins == ["socket", None]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), entries=st.integers(1, 60), known=st.integers(2, 20))
def test_whatever_is_lost_doubled_or_late_each_entry_is_released_once_in_order(
    seed: int, entries: int, known: int
) -> None:
    async def scenario() -> None:
        dice = random.Random(seed)
        stage = Stage()
        stage.offer(*stage.commits(known))
        network: list[Event] = []
        for _ in range(entries):
            network += [stage.commit()] * dice.choice((0, 1, 1, 1, 2))
            if dice.random() < 0.5:
                dice.shuffle(network)
                while network and dice.random() < 0.7:
                    stage.offer(network.pop())
                    if dice.random() < 0.2:
                        await asyncio.sleep(0)
        stage.announce(known + entries)
        stage.offer(*network)
        await stage.until(lambda: stage.seqs()[-1] == known + entries)
        assert stage.seqs() == list(range(1, known + entries + 1))
        assert stage.heads == []
        await stage.end()

    asyncio.run(scenario())
