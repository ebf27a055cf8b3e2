"""Every broker keeps the contract of `chat_service/fanout/broker.py`.

RabbitMQ can also go away, fall silent and throw messages away: an instance learns of each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import aio_pika
import pytest

from chat_service.fanout.broker import Broker, BrokerDown
from chat_service.fanout.memory import MemoryBroker
from chat_service.fanout.rabbitmq import EXCHANGE, RabbitBroker
from deploy.local.backing.rabbitmq import RabbitServer
from tests.support.relay import Relay

PATIENCE_SECONDS = 30.0
QUEUE_BYTES = 1_000_000


class Instance:
    """A broker's listener that keeps what it is told."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.bodies: list[bytes] = []
        self.calls: list[str] = []
        self.drops = 0
        self._running = asyncio.create_task(broker.run(self))

    def received(self, body: bytes) -> None:
        self.bodies.append(body)

    def restored(self) -> None:
        assert self.broker.connected
        self.calls.append("restored")

    def interrupted(self) -> None:
        assert not self.broker.connected
        self.calls.append("interrupted")

    def dropped(self) -> None:
        self.drops += 1

    async def say(self, *keys: str, body: bytes = b"hello", confirm: bool = True) -> None:
        await self.broker.publish(keys, body, confirm=confirm)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                assert not self._running.done(), "the broker has given up"
                await asyncio.sleep(0.005)

    async def connected(self) -> None:
        await self.until(lambda: self.broker.connected)

    async def heard(self, *bodies: bytes) -> None:
        """Returns when just these have come. What is published to it now comes after them."""
        await self.until(lambda: len(self.bodies) >= len(bodies))
        assert self.bodies == list(bodies)

    async def end(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)


Join = Callable[[], Awaitable[Instance]]


@pytest.fixture(params=["memory", "rabbitmq"])
async def join(request: pytest.FixtureRequest) -> AsyncIterator[Join]:
    """Makes instances on one broker, each connected when it is there."""
    url = f"memory://{uuid4().hex}"
    if request.param == "rabbitmq":
        url = request.getfixturevalue("amqp_url")
    instances: list[Instance] = []

    async def join() -> Instance:
        broker: Broker
        if request.param == "memory":
            broker = MemoryBroker(url)
        else:
            broker = RabbitBroker(url, f"test-{len(instances)}", QUEUE_BYTES)
        instance = Instance(broker)
        instances.append(instance)
        await instance.connected()
        return instance

    yield join
    for instance in instances:
        await instance.end()


async def test_a_message_reaches_those_who_bound_its_key_and_nobody_else(join: Join) -> None:
    one, other, stranger = await join(), await join(), await join()
    await one.broker.bind("red")
    await other.broker.bind("red")
    await stranger.broker.bind("blue")
    await one.say("red", body=b"to red")
    await one.say("blue", body=b"to blue")
    for instance in (one, other):
        await instance.heard(b"to red")
    await stranger.heard(b"to blue")


async def test_a_message_with_several_bound_keys_comes_once(join: Join) -> None:
    one, other = await join(), await join()
    for key in ("red", "blue", "green"):
        await other.broker.bind(key)
    await one.say("red", "blue", "green", "black", body=b"many")
    await one.say("blue", body=b"last")
    await other.heard(b"many", b"last")


async def test_a_message_with_256_keys_comes_once(join: Join) -> None:
    one, other = await join(), await join()
    keys = [f"shard.{number}" for number in range(256)]
    await asyncio.gather(*(other.broker.bind(key) for key in keys))
    await one.say(*keys, body=b"to all")
    await one.say("shard.255", body=b"last")
    await other.heard(b"to all", b"last")


async def test_messages_of_one_publisher_come_in_their_order(join: Join) -> None:
    one, other = await join(), await join()
    for number in range(4):
        await other.broker.bind(f"{number}")
    bodies = [b"%d" % number for number in range(500)]
    for number, body in enumerate(bodies):
        await one.say(f"{number % 4}", body=body)
    await other.heard(*bodies)


async def test_messages_without_confirmation_come_in_their_order_too(join: Join) -> None:
    one, other = await join(), await join()
    await other.broker.bind("red")
    bodies = [b"%d" % number for number in range(500)]
    for body in bodies:
        await one.say("red", body=body, confirm=False)
    await other.heard(*bodies)


async def test_a_large_message_comes_whole(join: Join) -> None:
    one, other = await join(), await join()
    await other.broker.bind("red")
    body = bytes(range(256)) * 2000
    await one.say("red", body=body)
    await other.heard(body)


async def test_nothing_comes_for_a_key_that_was_unbound(join: Join) -> None:
    one, other = await join(), await join()
    await other.broker.bind("red")
    await other.broker.bind("blue")
    await other.broker.unbind("red")
    await one.say("red", body=b"to red")
    await one.say("blue", body=b"to blue")
    await other.heard(b"to blue")


async def test_what_is_bound_twice_comes_once_and_is_unbound_once(join: Join) -> None:
    one = await join()
    await one.broker.bind("red")
    await one.broker.bind("red")
    await one.say("red", body=b"first")
    await one.broker.unbind("red")
    await one.say("red", body=b"second")
    await one.broker.bind("blue")
    await one.say("blue", body=b"third")
    await one.heard(b"first", b"third")


async def test_a_key_bound_at_once_after_it_was_unbound_is_bound(join: Join) -> None:
    one = await join()
    await one.broker.bind("red")
    unbinding = asyncio.create_task(one.broker.unbind("red"))
    await asyncio.sleep(0)
    await asyncio.gather(unbinding, one.broker.bind("red"))
    await one.say("red")
    await one.heard(b"hello")


async def test_nobody_who_listens_is_no_error(join: Join) -> None:
    one = await join()
    await one.say("nobody")
    await one.say("nobody", confirm=False)


async def test_publishing_before_there_is_a_connection_raises(join: Join) -> None:
    one = await join()
    await one.end()
    assert one.calls == ["restored", "interrupted"]
    for confirm in (True, False):
        with pytest.raises(BrokerDown):
            await one.say("red", confirm=confirm)


async def test_after_a_reset_everything_is_bound_again(join: Join) -> None:
    one, other = await join(), await join()
    await other.broker.bind("red")
    for count in range(1, 4):
        other.broker.reset()
        await other.until(lambda count=count: len(other.calls) == 1 + 2 * count)  # type: ignore[misc]
        await one.say("red", body=b"%d" % count)
        await other.heard(*(b"%d" % number for number in range(1, count + 1)))
    assert other.calls == ["restored", *["interrupted", "restored"] * 3]
    assert one.calls == ["restored"]


async def test_keys_bound_while_the_connection_is_made_again_are_bound_when_it_is_restored(
    join: Join,
) -> None:
    one, other = await join(), await join()
    other.broker.reset()
    await other.until(lambda: "interrupted" in other.calls)
    bodies = [b"%d" % number for number in range(256)]
    for body in bodies:
        await other.broker.bind(body.decode())
        await asyncio.sleep(0)
    await other.connected()
    for body in bodies:
        await one.say(body.decode(), body=body)
    await other.heard(*bodies)


async def test_keys_unbound_while_the_connection_is_made_again_are_not_bound(join: Join) -> None:
    one, other = await join(), await join()
    await other.broker.bind("red")
    await other.broker.bind("blue")
    other.broker.reset()
    await other.until(lambda: "interrupted" in other.calls)
    await other.broker.unbind("red")
    await other.connected()
    await one.say("red", body=b"to red")
    await one.say("blue", body=b"to blue")
    await other.heard(b"to blue")


class Rabbit:
    """Instances on RabbitMQ, the first behind a relay."""

    def __init__(self, relay: Relay, amqp_url: str) -> None:
        self.relay = relay
        self.broker = RabbitBroker(relay.url, "test-relayed", QUEUE_BYTES)
        self.instance = Instance(self.broker)
        self.other = Instance(RabbitBroker(amqp_url, "test-direct", QUEUE_BYTES))


@pytest.fixture
async def rabbit(amqp_url: str) -> AsyncIterator[Rabbit]:
    async with Relay(amqp_url) as relay:
        rabbit = Rabbit(relay, amqp_url)
        await rabbit.instance.connected()
        await rabbit.other.connected()
        yield rabbit
        relay.thaw()
        await rabbit.instance.end()
        await rabbit.other.end()


async def test_bindings_are_there_again_after_a_lost_connection(rabbit: Rabbit) -> None:
    one, other = rabbit.instance, rabbit.other
    for number in range(256):
        await one.broker.bind(f"{number}")
    rabbit.relay.cut()
    await one.until(lambda: not one.broker.connected)
    with pytest.raises(BrokerDown):
        await one.say("1")
    await one.broker.bind("late")
    rabbit.relay.mend()
    await one.connected()
    for key in ("0", "255", "late"):
        await other.say(key, body=key.encode())
    await one.heard(b"0", b"255", b"late")
    assert one.calls == ["restored", "interrupted", "restored"]
    assert other.calls == ["restored"]


async def test_a_rabbitmq_that_crashed_and_came_back_is_found_again(
    rabbit: Rabbit, rabbit_server: RabbitServer
) -> None:
    one, other = rabbit.instance, rabbit.other
    await one.broker.bind("red")
    publishing = [asyncio.create_task(other.say("red", body=b"early")) for _ in range(100)]
    await asyncio.sleep(0)
    await asyncio.to_thread(rabbit_server.kill)
    for outcome in await asyncio.gather(*publishing, return_exceptions=True):
        assert outcome is None or isinstance(outcome, BrokerDown)
    await one.until(lambda: not one.broker.connected and not other.broker.connected)
    one.bodies.clear()
    await asyncio.to_thread(rabbit_server.start)
    await one.connected()
    await other.connected()
    await other.say("red", body=b"late")
    await one.heard(b"late")
    for instance in (one, other):
        assert instance.calls == ["restored", "interrupted", "restored"]


async def test_a_broker_that_is_away_at_the_start_is_found_later(amqp_url: str) -> None:
    async with Relay(amqp_url) as relay:
        relay.cut()
        one = Instance(RabbitBroker(relay.url, "test", QUEUE_BYTES))
        await one.broker.bind("red")
        with pytest.raises(BrokerDown):
            await one.say("red")
        relay.mend()
        await one.connected()
        await one.say("red")
        await one.heard(b"hello")
        assert one.calls == ["restored"]
        await one.end()


async def test_a_silent_connection_can_be_given_up(rabbit: Rabbit) -> None:
    one, other = rabbit.instance, rabbit.other
    await one.broker.bind("red")
    rabbit.relay.freeze()
    with pytest.raises(BrokerDown):
        await one.say("red", body=b"lost")
    assert one.broker.connected
    one.broker.reset()
    await one.until(lambda: not one.broker.connected)
    rabbit.relay.thaw()
    await one.connected()
    one.bodies.clear()
    await other.say("red", body=b"heard")
    await one.heard(b"heard")
    await one.until(lambda: rabbit.relay.connections == 1)


async def test_who_waits_for_a_connection_that_is_given_up_fails_and_is_not_cancelled(
    rabbit: Rabbit,
) -> None:
    """aiormq cancels their futures: a publisher that ends by that is mute for ever."""
    one = rabbit.instance
    rabbit.relay.freeze()
    publishing = [asyncio.create_task(one.say("red")) for _ in range(10)]
    binding = asyncio.create_task(one.broker.bind("blue"))
    for _ in range(20):
        await asyncio.sleep(0)  # until they wait for their answers
    one.broker.reset()
    await asyncio.wait([*publishing, binding])
    assert not [task for task in (*publishing, binding) if task.cancelled()]
    assert all(isinstance(task.exception(), BrokerDown) for task in publishing)
    assert binding.exception() is None


async def test_a_binding_that_cannot_be_made_does_not_leave_the_instance_deaf(
    rabbit: Rabbit,
) -> None:
    one, other = rabbit.instance, rabbit.other
    rabbit.relay.freeze()
    await one.broker.bind("red")  # not answered
    rabbit.relay.thaw()
    await one.until(lambda: one.calls == ["restored", "interrupted", "restored"])
    await other.say("red")
    await one.heard(b"hello")


async def test_a_queue_that_was_deleted_is_noticed_and_made_again(rabbit: Rabbit) -> None:
    one, other = rabbit.instance, rabbit.other
    await one.broker.bind("red")
    link = rabbit.broker._link
    assert link is not None
    await link.receiving.queue_delete(link.queue)
    await one.until(lambda: one.calls == ["restored", "interrupted", "restored"])
    await other.say("red")
    await one.heard(b"hello")


async def test_an_exchange_that_was_deleted_is_made_again(rabbit: Rabbit, amqp_url: str) -> None:
    one, other = rabbit.instance, rabbit.other
    await one.broker.bind("red")
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        await channel.exchange_delete(EXCHANGE)
    with pytest.raises(BrokerDown):
        await other.say("red", body=b"lost")
    one.broker.reset()
    for instance in (one, other):
        await instance.until(lambda instance=instance: len(instance.calls) == 3)  # type: ignore[misc]
    await other.say("red")
    await one.heard(b"hello")


async def test_who_cannot_keep_up_loses_the_oldest_and_is_told(rabbit: Rabbit) -> None:
    one, other = rabbit.instance, rabbit.other
    await one.broker.bind("red")
    await other.broker.bind("red")
    rabbit.relay.freeze()
    filling = b"x" * 100_000
    count = 300  # far more than the queue and the sockets on the way hold
    for number in range(count):
        await other.say("red", body=b"%d " % number + filling)
    await other.until(lambda: len(other.bodies) == count)  # nobody else is held up
    rabbit.relay.thaw()
    last = other.bodies[-1]
    await one.until(lambda: last in one.bodies)
    numbers = [int(body.split()[0]) for body in one.bodies]
    assert numbers == sorted(set(numbers))
    assert len(numbers) < count
    await one.until(lambda: one.drops > 0)
    assert other.drops == 0
    assert one.calls == ["restored"]
