"""The fan-out: what is committed reaches the others, or they learn that they must ask."""

from chat_service.fanout.events import VERSION, Batch, Signal, encode
from tests.unit.chat_service.fanout.pair import ANN, BOB, EVE, Pair, event


async def test_events_reach_the_instance_of_a_participant_in_order(pair: Pair) -> None:
    await pair.there.fanout.attach(BOB)
    for seq in range(1, 50):
        pair.here.fanout.publish([event(seq)])
    await pair.there.until(lambda: len(pair.there.events) == 49)
    assert pair.there.events == [event(seq) for seq in range(1, 50)]
    assert pair.here.batches == []


async def test_a_batch_is_one_message_however_many_shards_it_has(pair: Pair) -> None:
    people = [f"{number}@example.org" for number in range(100)]
    for person in people:
        await pair.there.fanout.attach(person)
    pair.here.fanout.publish([event(1, person, ANN, person) for person in people])
    await pair.there.until(lambda: len(pair.there.events) == 100)
    assert len(pair.there.batches) == 1
    (keys,) = [keys for keys, batch in pair.here.broker.published if batch.events]
    assert len(keys) == len(set(keys)) > 50


async def test_events_of_people_who_are_elsewhere_do_not_come(pair: Pair) -> None:
    await pair.there.fanout.attach(BOB)
    pair.here.fanout.publish([event(1, "other", ANN, EVE)])
    await pair.here.until(lambda: pair.here.fanout.published_batches == 1)
    pair.here.fanout.publish([event(1)])
    await pair.there.until(lambda: bool(pair.there.batches))
    assert pair.there.events == [event(1)]


async def test_signals_come_and_are_dropped_without_a_broker(pair: Pair) -> None:
    await pair.there.fanout.attach(BOB)
    pair.here.broker.go()
    pair.here.fanout.signal(Signal((BOB,), b"lost"))
    pair.here.broker.come_back()
    await pair.here.ready()
    pair.here.fanout.signal(Signal((BOB,), b"typing"))
    await pair.there.until(lambda: bool(pair.there.batches))
    assert [batch.signals for batch in pair.there.batches] == [[Signal((BOB,), b"typing")]]


async def test_whenever_the_broker_is_there_again_the_sockets_resume(pair: Pair) -> None:
    pair.there.broker.go()
    pair.there.broker.come_back()
    await pair.there.until(lambda: bool(pair.there.resyncs))
    assert pair.there.resyncs == ["the broker was away"]


async def test_what_cannot_be_read_is_dropped_and_the_sockets_resume_once(pair: Pair) -> None:
    pair.here.broker.receive(b"\xff\x00nonsense")
    pair.here.broker.receive(encode(Batch(VERSION + 1, "other", events=[event(1)])))
    pair.here.broker.receive(encode(Batch(VERSION, "other", events=[event(2)])))
    assert pair.here.events == [event(2)]
    await pair.here.until(lambda: bool(pair.here.resyncs))
    assert pair.here.resyncs == ["events of another instance could not be read"]
