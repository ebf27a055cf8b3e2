"""AMQP bodies that no instance would send: dropped and counted, and the sockets resume.

What an instance is told by others is a hint. It is taken on trust from whoever may publish to the
broker, but not what was damaged, cut off, or comes from another version.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import aio_pika
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.delivery.frames import text_frame
from chat_service.fanout.events import VERSION, Batch, Event, Signal, encode, sealed
from chat_service.fanout.fanout import EVERYONE_KEY
from chat_service.fanout.rabbitmq import EXCHANGE as CHAT
from chat_service.log.conversation import between
from chat_service.log.entries import Announcement
from chat_service.protocol.events import TypingEvent
from chat_service.protocol.events import encode as encode_event
from shared import auth_events
from shared.auth_events import EMPLOYEE_DELETED, SESSION_REVOKED, DeletedEmployee, RevokedSession
from shared.auth_events import EXCHANGE as AUTH
from tests.fault.fuzz.bystanders import Bystanders
from tests.fault.fuzz.conftest import several
from tests.support.accounts import assert_closed_as_revoked, sid_of
from tests.support.client import ChatClient
from tests.support.conditions import until
from tests.support.system import Person, System
from tests.support.vitals import faults, scrape, vitals

BATCHES = "chat_unreadable_total{what=batch}"
AUTH_EVENTS = "chat_unreadable_total{what=event}"
HUGE = 5_000_000

plain = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
values = st.recursive(
    plain | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
json_values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


class Elsewhere:
    """Whoever may publish to the broker."""

    def __init__(self, channel: aio_pika.abc.AbstractChannel) -> None:
        self._channel = channel

    async def say(self, exchange: str, key: str, bodies: Iterable[bytes]) -> int:
        to = await self._channel.get_exchange(exchange)
        number = 0
        for body in bodies:
            await to.publish(aio_pika.Message(body), key, mandatory=False)
            number += 1
        return number


@pytest.fixture
async def elsewhere(amqp_url: str, target: System) -> AsyncIterator[Elsewhere]:
    async with await aio_pika.connect(amqp_url) as connection:
        yield Elsewhere(await connection.channel(publisher_confirms=True))


@pytest.fixture
async def ann(target: System) -> Person:
    return await target.person("ann")


@pytest.fixture
async def bystanders(target: System) -> AsyncIterator[Bystanders]:
    """They chat throughout; whoever asks for them calls `end`."""
    ann, bob = await target.person("ann"), await target.person("bob")
    bystanders = Bystanders(target, ann, bob, deque(maxlen=1))
    await bystanders.begin()
    yield bystanders
    await bystanders.close()


def batch(ann: Person, number: int) -> Batch:
    """A good one, with something of everything for `ann`, who sees its typing."""
    conversation = between(ann.email, "zoe@example.org").id
    typing = TypingEvent(f"conversation-{number}", "zoe@example.org", active=True)
    frame = text_frame(encode_event(typing))
    event = Event(conversation, 1, 2, ann.email, "zoe@example.org", text_frame(b'{"a":1}'))
    return Batch(
        VERSION,
        "another instance",
        events=[event] if number < 0 else [],
        signals=[Signal((ann.email,), frame)],
        announcements=[Announcement(conversation, ann.email, "zoe@example.org", 0)],
    )


async def heard(client: ChatClient, number: int) -> None:
    await client.wait("typing", conversation=f"conversation-{number}")


def damaged(body: bytes) -> list[bytes]:
    """Cut off at each length, and with each bit flipped."""
    flipped = []
    for at in range(len(body)):
        for bit in range(8):
            other = bytearray(body)
            other[at] ^= 1 << bit
            flipped.append(bytes(other))
    return [*(body[:length] for length in range(len(body))), *flipped]


def foreign(content: list[object]) -> list[bytes]:
    """With the right checksum, and otherwise wrong."""
    out_of_range = [["x", 2**63, 1, "a", "b", b""], ["x", -1, 1, "a", "b", b""]]
    late = [["x", 1, 2**63, "a", "b", b""], ["x", 1, 10**18, "a", "b", b""]]
    encoded = [msgspec.msgpack.encode(["x", *content[1:]])]
    encoded += [
        msgspec.msgpack.encode([version, *content[1:]])
        for version in (0, VERSION + 1, 99, -1, 2**64 - 1, None, "1", 1.5)
    ]
    encoded += [
        msgspec.msgpack.encode([VERSION, "other", 0, [event]]) for event in (*out_of_range, *late)
    ]
    encoded += [
        msgspec.msgpack.encode([VERSION, "other", 0, [], [], [["x", "a", "b", head]]])
        for head in (-1, 2**53, 2**63, 2**64 - 1)
    ]
    encoded += [
        b"",
        b"\xc1",
        b"\x91" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xffabc",
        msgspec.msgpack.encode({"version": VERSION}),
        msgspec.msgpack.encode([VERSION]),
        msgspec.msgpack.encode([VERSION, "other", 0, "x" * HUGE]),
        b"\0" * HUGE,
    ]
    return [sealed(one) for one in encoded]


async def test_batches_that_cannot_be_read_are_dropped_and_counted(
    target: System, elsewhere: Elsewhere, ann: Person, bystanders: Bystanders
) -> None:
    chat = target.chats[0]
    async with target.connect(ann) as client:
        await elsewhere.say(CHAT, EVERYONE_KEY, [encode(batch(ann, 0))])
        await heard(client, 0)
        before, counted = vitals(chat.url), scrape(chat.url)[BATCHES]
        good = encode(batch(ann, 1))
        fields: list[object] = msgspec.msgpack.decode(good[4:])
        sent = await elsewhere.say(CHAT, EVERYONE_KEY, damaged(good))
        sent += await elsewhere.say(CHAT, EVERYONE_KEY, foreign(fields))
        for body in bodies(fields):
            sent += await elsewhere.say(CHAT, EVERYONE_KEY, [body])
        newer = sealed(msgspec.msgpack.encode([*fields, "a field of a newer version", {"a": 1}]))
        await elsewhere.say(CHAT, EVERYONE_KEY, [newer])
        await heard(client, 1)

        async def all_counted() -> bool:
            return scrape(chat.url)[BATCHES] - counted == sent

        await until(all_counted)
        assert sent > 2000
        assert chat.is_ready()
        assert client.close_code is None
        await client.wait("resync")
    await bystanders.end(may_resync=True)
    assert faults(chat.log) == []
    assert chat.log.read_text().count("dropped batches that cannot be read") <= 3
    assert vitals(chat.url).tasks <= before.tasks


def bodies(fields: list[object]) -> list[bytes]:
    """Batches with something else in one of their places, by hypothesis."""
    found: list[bytes] = []

    @several(300)
    @given(place=st.integers(1, 6), value=values)
    def make(place: int, value: object) -> None:
        changed = [*fields[:place], value, *fields[place + 1 :]]
        body = sealed(msgspec.msgpack.encode(changed))
        if not fits(body):
            found.append(body)

    make()
    return found


def fits(body: bytes) -> bool:
    try:
        msgspec.msgpack.decode(body[4:], type=Batch)
    except (ValueError, RecursionError):
        return False
    return True


@pytest.mark.parametrize("kind", [SESSION_REVOKED, EMPLOYEE_DELETED])
async def test_auth_events_that_cannot_be_read_are_dropped_and_counted(
    target: System, elsewhere: Elsewhere, ann: Person, bystanders: Bystanders, kind: str
) -> None:
    chat = target.chats[0]
    now = datetime.now(UTC)
    before, counted = vitals(chat.url), scrape(chat.url)[AUTH_EVENTS]
    event: RevokedSession | DeletedEmployee
    if kind == SESSION_REVOKED:
        event = RevokedSession(f"{uuid4()}", now, now + timedelta(hours=1))
        decode = auth_events.revoked_session
    else:
        event = DeletedEmployee(f"{uuid4()}", "gone@example.org", now)
        decode = auth_events.deleted_employee  # type: ignore[assignment]
    sent = 0
    for body in [*damaged(auth_events.encode(event)), *wrong_json(event)]:
        try:
            decode(body)
        except ValueError:
            sent += await elsewhere.say(AUTH, kind, [body])
    newer = msgspec.to_builtins(event) | {"a field of a newer version": [1]}
    await elsewhere.say(AUTH, kind, [msgspec.json.encode(newer)])

    async def all_counted() -> bool:
        return scrape(chat.url)[AUTH_EVENTS] - counted == sent

    await until(all_counted)
    assert sent > 500
    await _good_ones_still_arrive(target, elsewhere, ann, kind)
    await bystanders.end(may_resync=True)  # for the batches of the test before
    assert faults(chat.log) == []
    assert chat.log.read_text().count("dropped events that cannot be read") <= 3
    assert chat.is_ready()

    async def as_before() -> bool:
        return vitals(chat.url).tasks <= before.tasks

    await until(as_before)


async def _good_ones_still_arrive(
    target: System, elsewhere: Elsewhere, ann: Person, kind: str
) -> None:
    now = datetime.now(UTC)
    if kind == SESSION_REVOKED:
        async with target.connect(ann) as client:
            since = asyncio.get_running_loop().time()
            last = RevokedSession(sid_of(ann), now, now + timedelta(hours=1))
            await elsewhere.say(AUTH, kind, [auth_events.encode(last)])
            await assert_closed_as_revoked(client, since)
    else:
        employee = str(uuid4())
        gone = DeletedEmployee(employee, "gone@example.org", now)
        await elsewhere.say(AUTH, kind, [auth_events.encode(gone)])

        async def seen_to() -> bool:
            return employee in target.chats[0].log.read_text()

        await until(seen_to)


def wrong_json(event: RevokedSession | DeletedEmployee) -> list[bytes]:
    deep = b"[" * 100_000 + b"]" * 100_000
    whole: dict[str, object] = msgspec.to_builtins(event)
    made = [b"", b"null", b"[]", b"{}", deep, b"\xff", b'"' + b"x" * HUGE + b'"']
    made.append(msgspec.json.encode(whole)[:-1] + b',"newer":' + deep + b"}")
    made.append(json.dumps(whole).encode("utf-16"))
    made += [
        msgspec.json.encode(whole | {name: "0001-01-01T00:00:00+23:59"}) for name in list(whole)[1:]
    ]

    @several(200)
    @given(name=st.sampled_from(list(whole)), value=json_values)
    def make(name: str, value: object) -> None:
        made.append(msgspec.json.encode(whole | {name: value}))

    make()
    return made
