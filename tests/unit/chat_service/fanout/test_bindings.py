"""Bindings: a shard is bound as long as somebody of it is connected, and a while longer."""

from chat_service.fanout.bindings import keys_of
from tests.unit.chat_service.fanout.pair import ANN, EVE, SHARDS, Pair, event


async def test_a_shard_stays_bound_for_a_while_after_its_last_employee_left(pair: Pair) -> None:
    broker = pair.here.broker
    before = set(broker.bound)
    await pair.here.fanout.attach(ANN)
    await pair.here.fanout.attach(ANN)
    (key,) = set(broker.bound) - before
    pair.here.fanout.detach(ANN)
    pair.here.fanout.detach(ANN)
    assert key in broker.bound
    await pair.here.fanout.attach(ANN)  # back in time
    await pair.here.fanout.attach(EVE)
    (eve,) = keys_of([EVE], SHARDS)
    pair.here.fanout.detach(EVE)
    await pair.here.until(lambda: eve not in broker.bound)  # who left later than Ann
    assert broker.bound.count(key) == 1
    pair.here.fanout.detach(ANN)
    await pair.here.until(lambda: key not in broker.bound)
    await pair.here.fanout.attach(ANN)
    assert broker.bound.count(key) == 1


async def test_an_attachment_that_was_given_up_at_once_can_be_detached(pair: Pair) -> None:
    attaching = pair.here.fanout.attach(ANN)
    attaching.cancel()
    pair.here.fanout.detach(ANN)
    await pair.here.fanout.attach(ANN)
    pair.there.fanout.publish([event(1)])
    await pair.here.until(lambda: bool(pair.here.events))


async def test_a_shard_that_is_taken_while_it_is_unbound_is_bound_in_the_end(pair: Pair) -> None:
    broker = pair.here.broker
    broker.may_unbind.clear()
    await pair.here.fanout.attach(ANN)
    pair.here.fanout.detach(ANN)
    await pair.here.until(lambda: broker.unbinding)
    await pair.here.fanout.attach(ANN)
    broker.may_unbind.set()
    await pair.here.until(lambda: not broker.unbinding)
    pair.there.fanout.publish([event(1)])
    await pair.here.until(lambda: bool(pair.here.events))
