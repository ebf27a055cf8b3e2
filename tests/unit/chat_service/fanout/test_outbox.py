"""The outbox: what cannot be published in full is told as heads, or as one call to resume."""

import pytest

from chat_service.fanout import outbox
from chat_service.fanout.events import Signal
from chat_service.fanout.outbox import Outbox
from chat_service.log.entries import Announcement
from tests.unit.chat_service.fanout.pair import ANN, BOB, EVE, Pair, event


async def test_what_could_not_be_published_is_announced_by_heads(pair: Pair) -> None:
    await pair.there.fanout.attach(BOB)
    pair.here.broker.go()
    for seq in range(1, 1001):
        pair.here.fanout.publish([event(seq), event(seq, "d", BOB, EVE)])
    pair.here.broker.come_back()
    await pair.there.until(lambda: len(pair.there.announcements) == 2)
    assert pair.there.announcements == [
        Announcement("c", ANN, BOB, 1000),
        Announcement("d", BOB, EVE, 1000),
    ]
    assert pair.there.events == []
    assert pair.there.resyncs == []


async def test_what_the_broker_refuses_is_announced_on_the_same_connection(pair: Pair) -> None:
    await pair.there.fanout.attach(BOB)
    pair.here.broker.refuses = True
    pair.here.fanout.publish([event(1)])
    pair.here.fanout.announce([Announcement("d", BOB, EVE, 7)])
    await pair.here.until(lambda: pair.here.broker.refused >= 2)
    pair.here.broker.refuses = False
    await pair.there.until(lambda: len(pair.there.announcements) == 2)
    assert {news.conversation: news.head for news in pair.there.announcements} == {"c": 1, "d": 7}


async def test_an_older_head_does_not_replace_a_newer_one(pair: Pair) -> None:
    await pair.there.fanout.attach(BOB)
    pair.here.broker.go()
    pair.here.fanout.publish([event(9)])
    pair.here.fanout.announce([Announcement("c", ANN, BOB, 4)])
    pair.here.broker.come_back()
    await pair.there.until(lambda: bool(pair.there.announcements))
    assert pair.there.announcements == [Announcement("c", ANN, BOB, 9)]


async def test_after_too_many_conversations_everybody_is_told_to_resume(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_ANNOUNCEMENTS", 100)
    pair.here.broker.go()
    for number in range(101):
        pair.here.fanout.publish([event(1, f"{number}")])
    pair.here.broker.come_back()
    await pair.there.until(lambda: bool(pair.there.resyncs))  # nobody is attached there
    assert len(pair.there.resyncs) == 1
    assert [batch.resync for _, batch in pair.here.broker.published if batch.resync]


async def test_many_heads_go_in_several_messages(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 10)
    await pair.there.fanout.attach(BOB)
    pair.here.broker.go()
    for number in range(95):
        pair.here.fanout.publish([event(1, f"{number}")])
    pair.here.broker.come_back()
    await pair.there.until(lambda: len(pair.there.announcements) == 95)
    assert max(len(batch.announcements) for batch in pair.there.batches) == 10


async def test_too_many_waiting_events_are_announced_instead(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_EVENTS", 10)
    await pair.there.fanout.attach(BOB)
    pair.here.fanout.publish([event(seq) for seq in range(1, 11)])
    pair.here.fanout.publish([event(11)])
    await pair.there.until(lambda: bool(pair.there.announcements))
    assert len(pair.there.events) == 10
    assert pair.there.announcements == [Announcement("c", ANN, BOB, 11)]


def test_signals_beyond_the_bound_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_SIGNALS", 2)
    waiting = Outbox("here")
    signals = [Signal((BOB,), b"%d" % number) for number in range(3)]
    for signal in signals:
        waiting.signal(signal)
    assert waiting.next_signals().signals == signals[:2]
    assert waiting.next_signals().signals == []
