"""The sequencer releases each event once, in order, whatever comes and whenever."""

import asyncio
import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_service.delivery.sequencer import CLOCK_SKEW_MS, MAX_GAP, Sequencer
from chat_service.fanout.events import Event
from chat_service.log.entries import Announcement
from shared.errors import Unavailable

ANN, BOB = "ann@example.org", "bob@example.org"
LONG_AGO = 1_000


class Stage:
    """A log in memory, one connected employee, and what a sequencer makes of them."""

    def __init__(self, entries: int = 0, since: float | None = None) -> None:
        self.now = int(time.time() * 1000)
        self.since: float | None = time.time() - 60 if since is None else since
        self.log: list[Event] = []
        self.released: list[int] = []
        self.resyncs = 0
        self.reads = 0
        self.log_is_away = False
        self.sequencer = Sequencer(
            self.read,
            lambda event, _: self.released.append(event.seq),
            lambda first, second: self.since,
            self._resync,
            gap_wait=0.001,
            clock=time.time,
        )
        for _ in range(entries):
            self.commit()

    def first(self, conversation: str) -> None:
        """The first event of another conversation."""
        self.sequencer.offer(Event(conversation, 1, self.now, 0, ANN, BOB, b"1"))

    def commit(self, at: int | None = None) -> Event:
        seq = len(self.log) + 1
        previous_at = self.log[-1].at if self.log else 0
        event = Event("c", seq, at or self.now, previous_at, ANN, BOB, b"%d" % seq)
        self.log.append(event)
        return event

    async def read(
        self, conversation: str, participants: tuple[str, str], after: int, upto: int, limit: int
    ) -> list[Event]:
        self.reads += 1
        await asyncio.sleep(0)
        if self.log_is_away:
            raise Unavailable("away")
        return self.log[after:upto][-limit:]

    async def until_released(self, upto: int) -> None:
        await self.until(lambda: bool(self.released) and self.released[-1] >= upto)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Looks at the condition after each turn of the event loop."""
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, self.released
            await asyncio.sleep(0)

    def _resync(self, first: str, second: str) -> None:
        self.resyncs += 1


async def test_events_in_order_are_released_at_once() -> None:
    stage = Stage()
    for _ in range(3):
        stage.sequencer.offer(stage.commit())
    assert stage.released == [1, 2, 3]
    assert stage.reads == 0


async def test_events_out_of_order_wait_for_their_turn() -> None:
    stage = Stage()
    stage.sequencer.offer(stage.commit())
    two, three = stage.commit(), stage.commit()
    stage.sequencer.offer(three)
    assert stage.released == [1]
    stage.sequencer.offer(two)
    assert stage.released == [1, 2, 3]


async def test_an_event_that_comes_twice_is_released_once() -> None:
    stage = Stage()
    event = stage.commit()
    stage.sequencer.offer(event)
    stage.sequencer.offer(event)
    assert stage.released == [1]


async def test_a_lost_event_is_read_from_the_log() -> None:
    stage = Stage()
    stage.sequencer.offer(stage.commit())
    stage.commit()
    stage.sequencer.offer(stage.commit())
    await stage.until_released(3)
    assert stage.released == [1, 2, 3]
    assert stage.sequencer.gaps_filled == 1


async def test_history_from_before_the_reader_came_is_not_released() -> None:
    stage = Stage()
    for _ in range(10):
        stage.commit(at=LONG_AGO)
    stage.sequencer.offer(stage.commit())
    assert stage.released == [11]
    assert stage.reads == 0


async def test_the_first_event_is_not_overtaken_by_the_next_from_elsewhere() -> None:
    stage = Stage()
    for _ in range(10):
        stage.commit(at=LONG_AGO)
    eleven, twelve = stage.commit(), stage.commit()
    stage.sequencer.offer(twelve)
    stage.sequencer.offer(eleven)
    await stage.until_released(12)
    assert stage.released == [11, 12]


async def test_an_event_nobody_here_is_owed_leaves_nothing_behind() -> None:
    stage = Stage()
    stage.since = None
    stage.sequencer.offer(stage.commit())
    assert stage.released == []
    assert stage.sequencer.position("c") is None


async def test_a_position_does_not_outlive_its_readers() -> None:
    stage = Stage()
    stage.sequencer.offer(stage.commit(at=LONG_AGO + 1_000_000))
    stage.sequencer.offer(stage.commit())
    for _ in range(5):
        stage.commit(at=LONG_AGO)  # while nobody was here
    stage.since = time.time() + 1  # somebody came anew
    later = int(stage.since * 1000) + CLOCK_SKEW_MS
    stage.sequencer.offer(stage.commit(at=later))
    assert stage.released[-1] == 8
    assert set(range(3, 8)).isdisjoint(stage.released)


async def test_what_was_seen_here_before_a_reader_came_is_not_released() -> None:
    stage = Stage()
    stage.sequencer.offer(stage.commit())
    stage.since = None
    for _ in range(4):
        stage.sequencer.offer(stage.commit())
    stage.since = time.time() + CLOCK_SKEW_MS / 2000  # within what clocks may differ
    stage.sequencer.offer(stage.commit(at=int(stage.since * 1000)))
    assert stage.released == [1, 6]
    assert stage.reads == 0


async def test_an_announced_head_brings_what_was_not_offered() -> None:
    stage = Stage()
    stage.sequencer.offer(stage.commit())
    for _ in range(4):
        stage.commit()
    stage.sequencer.announce(Announcement("c", ANN, BOB, 5))
    await stage.until_released(5)
    assert stage.released == [1, 2, 3, 4, 5]


async def test_an_announced_head_of_a_quiet_conversation_brings_what_is_owed() -> None:
    stage = Stage()
    for _ in range(3):
        stage.commit(at=LONG_AGO)
    for _ in range(2):
        stage.commit()
    stage.sequencer.announce(Announcement("c", ANN, BOB, 5))
    await stage.until_released(5)
    assert stage.released == [4, 5]


async def test_what_could_not_be_read_when_its_reader_came_is_owed_once_it_can_be() -> None:
    stage = Stage()
    for _ in range(7):
        stage.commit(at=LONG_AGO)
    stage.sequencer.announce(Announcement("c", ANN, BOB, 7, late_after=5))
    await stage.until_released(7)
    assert stage.released == [6, 7]
    stage.sequencer.announce(Announcement("c", ANN, BOB, 7, late_after=3))
    stage.sequencer.offer(stage.commit())
    assert stage.released == [6, 7, 8]


async def test_a_repeat_of_what_could_not_be_read_is_released_once() -> None:
    stage = Stage()
    for _ in range(6):
        stage.commit(at=LONG_AGO)
    repeat = Event("c", 6, LONG_AGO, LONG_AGO, ANN, BOB, b"6", late_after=5)
    stage.sequencer.offer(repeat)
    stage.sequencer.offer(repeat)
    stage.sequencer.announce(Announcement("c", ANN, BOB, 6, late_after=5))
    stage.sequencer.offer(stage.commit())
    assert stage.released == [6, 7]
    assert stage.reads == 0


async def test_an_entry_does_not_leave_behind_what_became_readable_with_it() -> None:
    stage = Stage()
    for _ in range(6):
        stage.commit(at=LONG_AGO)
    seven = stage.commit()
    stage.sequencer.offer(Event("c", 7, seven.at, LONG_AGO, ANN, BOB, b"7", late_after=5))
    await stage.until_released(7)
    assert stage.released == [6, 7]


async def test_a_repeat_of_what_was_released_before_its_reader_came_is_not_released() -> None:
    stage = Stage()
    for _ in range(6):
        stage.sequencer.offer(stage.commit())
    stage.since = time.time() + 1
    stage.sequencer.offer(Event("c", 6, LONG_AGO, LONG_AGO, ANN, BOB, b"6", late_after=5))
    assert stage.released == [1, 2, 3, 4, 5, 6]


async def test_across_a_large_gap_the_sockets_are_told_to_resume() -> None:
    stage = Stage()
    stage.sequencer.offer(stage.commit())
    for _ in range(MAX_GAP + 1):
        stage.commit()
    last = stage.commit()
    stage.sequencer.offer(last)
    await stage.until_released(last.seq)
    assert stage.released == [1, last.seq]
    assert stage.resyncs == 1


async def test_a_gap_is_filled_when_the_log_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat_service.delivery.sequencer.RETRY_SECONDS", 0.001)
    stage = Stage()
    stage.sequencer.offer(stage.commit())
    stage.log_is_away = True
    stage.commit()
    stage.sequencer.offer(stage.commit())
    await stage.until(lambda: stage.reads >= 3)
    assert stage.released == [1]
    stage.log_is_away = False
    await stage.until_released(3)
    assert stage.released == [1, 2, 3]


async def test_the_position_that_was_used_least_recently_is_forgotten_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat_service.delivery.sequencer.KNOWN_POSITIONS", 2)
    stage = Stage()
    stage.sequencer.offer(stage.commit())
    stage.first("d")
    stage.sequencer.offer(stage.commit())
    stage.first("e")
    assert [stage.sequencer.position(conversation) for conversation in "cde"] == [2, None, 1]


async def test_a_position_that_is_being_backfilled_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat_service.delivery.sequencer.KNOWN_POSITIONS", 2)
    stage = Stage()
    stage.sequencer.offer(stage.commit())
    stage.commit()
    stage.sequencer.offer(stage.commit())
    for conversation in "defg":
        stage.first(conversation)
    assert stage.sequencer.position("c") == 1
    stage.released.clear()
    await stage.until_released(3)
    assert stage.released == [2, 3]
    stage.first("h")
    assert [stage.sequencer.position(conversation) for conversation in "defgh"].count(1) == 1


async def test_the_origin_goes_with_its_event() -> None:
    stage = Stage()
    origins: list[object] = []
    sequencer = Sequencer(
        stage.read,
        lambda _, origin: origins.append(origin),
        lambda *_: stage.since,
        stage._resync,
        gap_wait=0.001,
        clock=time.time,
    )
    sequencer.offer(stage.commit(), "socket")
    sequencer.offer(stage.commit())
    assert origins == ["socket", None]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), entries=st.integers(1, 60), old=st.integers(0, 20))
def test_whatever_is_lost_doubled_or_late_each_entry_is_released_once_in_order(
    seed: int, entries: int, old: int
) -> None:
    async def scenario() -> None:
        dice = random.Random(seed)
        stage = Stage()
        for _ in range(old):
            stage.commit(at=LONG_AGO)
        network: list[Event] = []
        for _ in range(entries):
            event = stage.commit()
            network += [event] * dice.choice((0, 1, 1, 1, 2))
            if dice.random() < 0.5:
                dice.shuffle(network)
                while network and dice.random() < 0.7:
                    stage.sequencer.offer(network.pop())
                    if dice.random() < 0.2:
                        await asyncio.sleep(0)
        stage.sequencer.announce(Announcement("c", ANN, BOB, old + entries))
        for event in network:
            stage.sequencer.offer(event)
        await stage.until_released(old + entries)
        assert stage.released == list(range(old + 1, old + entries + 1))
        await stage.sequencer.close()

    asyncio.run(scenario())
