"""What a client cannot exceed, and how a socket ends with its token. Promise: a slow or hostile
client hurts only itself."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import aiohttp
import pytest

from deploy.local.backing.mongodb import MongoServer
from tests.cluster.conftest import Launch
from tests.support.client import ChatClient
from tests.support.conditions import eventually
from tests.support.system import PASSWORD, Person, Service, System
from tests.support.vitals import vitals

IN_FLIGHT = 16
SETTINGS = {
    "AUTH_SECONDS": "0.5",
    "MAX_IN_FLIGHT": str(IN_FLIGHT),
    "MAX_EMPLOYEE_CONNECTIONS": "3",
    "MAX_RESUME_CONVERSATIONS": "3",
    "MAX_RESUME_ENTRIES": "20",
    "MAX_RESUME_TOTAL": "50",
    "MAX_RESUME_BYTES": "100000",
}
SHORT_SECONDS = 4


@pytest.fixture
async def cramped(launch: Launch, mongo_url: str, amqp_url: str) -> System:
    """One instance with small limits."""
    return await launch(mongo_url, amqp_url, instances=1, settings=SETTINGS)


@pytest.fixture
async def shortlived(launch: Launch, mongo_url: str, amqp_url: str) -> System:
    """One instance, and access tokens that are short."""
    settings = {"ACCESS_TOKEN_SECONDS": str(SHORT_SECONDS)}
    return await launch(mongo_url, amqp_url, instances=1, settings=settings)


def metric(service: Service, name: str) -> float:
    with urllib.request.urlopen(f"{service.url}/metrics", timeout=5) as reply:
        lines = reply.read().decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))


async def until_metric(service: Service, name: str, holds: Callable[[float], bool]) -> None:
    await asyncio.to_thread(eventually, lambda: holds(metric(service, name)))


async def test_a_flood_that_is_not_read_waits_in_the_socket_and_loses_nothing(
    launch: Launch, amqp_url: str, own_mongo_server: MongoServer
) -> None:
    own_mongo_server.resume()
    await asyncio.to_thread(own_mongo_server.start)
    system = await launch(own_mongo_server.url, amqp_url, instances=1, settings=SETTINGS)
    ann, bob, eve = [await system.person(name) for name in ("ann", "bob", "eve")]
    ids = [str(uuid4()) for _ in range(3000)]
    async with system.connect(ann) as a, system.connect(bob) as b, system.connect(eve) as e:
        await a.said(bob.email, "first")
        await e.said(bob.email, "first")
        a.stop_reading()
        own_mongo_server.pause()

        async def flood() -> None:
            for number, id in enumerate(ids):
                await a.say(bob.email, f"{number}", id)

        flooding = asyncio.create_task(flood())
        try:
            one = await e.say(bob.email, "one of many")
            chat = system.chats[0]
            await until_metric(chat, "chat_pending_sends", lambda count: count >= IN_FLIGHT - 1)
            await e.ping()
            assert metric(chat, "chat_pending_sends") <= IN_FLIGHT + 1
        finally:
            own_mongo_server.resume()
        assert (await e.wait("ack", id=one))["seq"] == 2
        await b.until(lambda: len(b.messages) == len(ids) + 3)
        await flooding
        a.go_on_reading()
        await a.until(lambda: len(a.of("ack")) == len(ids) + 1)
        assert [ack["id"] for ack in a.of("ack")][1:] == ids
        assert [event["id"] for event in b.messages if event["id"] in set(ids)] == ids


async def test_a_flood_of_tiny_frames_is_answered_at_the_rate_that_is_allowed(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    settings = {"RATE_LIMITS": "on", "OP_RATE": "20", "OP_BURST": "50"}
    system = await launch(mongo_url, amqp_url, instances=1, settings=settings)
    ann, bob = await system.person("ann"), await system.person("bob")
    async with system.connect(ann) as flood, system.connect(bob) as other:
        for _ in range(40_000):
            await flood.ws.send_str("")
        for number in range(10):
            await other.send("ping", id=str(number))
            await other.wait("pong", id=str(number))
        assert 50 <= len(flood.events) < 2_000
        assert not flood.ws.closed


async def test_the_ways_to_write_an_address_take_no_memory(cramped: System) -> None:
    chat = cramped.chats[0]
    ann, bob = await cramped.person("ann"), await cramped.person("bob")
    async with cramped.connect(ann) as a:
        await a.said(bob.email, "so that there is a conversation")
        before = vitals(chat.url).resident
        for padding in range(59_000, 60_000):
            await a.send("typing", to=" " * padding + bob.email, active=True)
        await a.ping()
        assert not a.of("error")
        assert vitals(chat.url).resident - before < 20_000_000  # of 60 MB that were sent


async def test_an_employee_has_a_limited_number_of_sockets(cramped: System) -> None:
    ann, bob = await cramped.person("ann"), await cramped.person("bob")
    async with AsyncExitStack() as stack:
        open_ = [await stack.enter_async_context(cramped.connect(ann)) for _ in range(3)]
        async with opened(cramped.connect(ann)) as fourth:
            await fourth.send("auth", token=ann.token)
            assert await fourth.closed() == 4504
            assert fourth.of("error", code="too_many_connections")
            assert not fourth.of("welcome")
        async with cramped.connect(bob) as b:
            ack = await b.said(ann.email, "hello")
            for client in open_:
                assert (await client.wait("message"))["id"] == ack["id"]
        await open_[0].close()
        await until_metric(cramped.chats[0], "chat_connections", lambda count: count == 2)
        async with cramped.connect(ann) as again:
            await again.ping()


async def test_a_socket_that_does_not_authenticate_is_closed_in_time(cramped: System) -> None:
    ann = await cramped.person("ann")
    async with opened(cramped.connect(ann)) as silent:
        assert await silent.closed() == 4003
        assert silent.events == []


async def test_a_page_of_history_has_so_many_bytes_and_nothing_is_left_out(
    system: System,
) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    count = 50
    async with system.connect(ann) as a:
        for _ in range(count):
            await a.say(bob.email, "😀" * 4000)
        await a.until(lambda: len(a.of("ack")) == count)
    async with aiohttp.ClientSession(system.chats[0].url, headers=bob.headers) as http:
        for forward in (True, False):
            seqs: list[int] = []
            more = True
            while more:
                cursor = {"after": (seqs or [0])[-1]} if forward else {"before": (seqs or [99])[0]}
                body = {"participants": [ann.email, bob.email], "limit": 200, **cursor}
                async with http.post("/messages", json=body) as reply:
                    page = await reply.json()
                    assert len(await reply.read()) < 600_000
                found = [message["seq"] for message in page["messages"]]
                assert found
                assert page["head"] == found[-1]
                seqs = [*seqs, *found] if forward else [*found, *seqs]
                more = page["has_more"]
            assert seqs == list(range(1, count + 1))


async def test_a_resume_sends_so_many_entries_of_a_conversation_and_names_the_head(
    cramped: System,
) -> None:
    ann, bob = await cramped.person("ann"), await cramped.person("bob")
    async with cramped.connect(ann) as a, cramped.connect(bob) as b:
        acks = [await a.said(bob.email, f"{number}") for number in range(45)]
        conversation = acks[0]["conversation"]
        await b.until(lambda: len(b.messages) == 45)
        cursor, rounds = 0, 0
        complete = False
        while not complete:
            b.events.clear()
            resumed = await b.resume({conversation: cursor})
            state = resumed["conversations"][conversation]
            assert state["head"] == 45
            seqs = [event["seq"] for event in b.messages]
            assert seqs == list(range(cursor + 1, min(cursor + 20, 45) + 1))
            cursor, complete, rounds = seqs[-1], state["complete"], rounds + 1
        assert (cursor, rounds) == (45, 3)


async def test_a_resume_sends_so_many_entries_in_all_and_each_conversation_is_complete_or_not(
    cramped: System,
) -> None:
    ann, *others = [await cramped.person(name) for name in ("ann", "bob", "eve", "joe")]
    async with cramped.connect(ann) as a:
        heads = {}
        for other in others:
            acks = [await a.said(other.email, f"{number}") for number in range(20)]
            heads[acks[0]["conversation"]] = 20
        resumed = await a.resume(dict.fromkeys(heads, 0))
        assert len(a.messages) == 50
        for conversation, state in resumed["conversations"].items():
            seqs = [event["seq"] for event in a.of("message", conversation=conversation)]
            assert seqs == list(range(1, len(seqs) + 1))
            assert state == {"head": 20, "complete": len(seqs) == 20}
        complete = [state["complete"] for state in resumed["conversations"].values()]
        assert sorted(complete) == [False, True, True]


async def test_a_resume_sends_so_many_bytes_and_each_conversation_is_complete_or_not(
    cramped: System,
) -> None:
    ann, *others = [await cramped.person(name) for name in ("ann", "bob", "eve", "joe")]
    async with cramped.connect(ann) as a:
        cursors = {}
        for other in others:
            acks = [await a.said(other.email, "😀" * 4000) for _ in range(4)]
            cursors[acks[0]["conversation"]] = 0
        rounds = 0
        while any(cursor < 4 for cursor in cursors.values()):
            a.events.clear()
            resumed = await a.resume(cursors)
            assert len(a.messages) == 6 or rounds == 1  # of 16 kB and a little each
            for conversation, state in resumed["conversations"].items():
                seqs = [event["seq"] for event in a.of("message", conversation=conversation)]
                cursor = cursors[conversation]
                assert seqs == list(range(cursor + 1, cursor + len(seqs) + 1))
                cursors[conversation] += len(seqs)
                assert state == {"head": 4, "complete": cursors[conversation] == 4}
            rounds += 1
        assert rounds == 2


async def test_a_resume_names_the_conversations_that_the_device_does_not_know(
    cramped: System,
) -> None:
    ann, bob, eve = [await cramped.person(name) for name in ("ann", "bob", "eve")]
    async with cramped.connect(ann) as a:
        known = (await a.said(bob.email, "hello"))["conversation"]
        unknown = (await a.said(eve.email, "hello"))["conversation"]
        resumed = await a.resume({known: 1})
        assert resumed["conversations"] == {
            known: {"head": 1, "complete": True},
            unknown: {"head": 1, "complete": False},
        }
        assert a.messages == []
        await a.resume({known: 1, unknown: 0})
        assert [event["conversation"] for event in a.messages] == [unknown]


async def test_a_resume_of_too_many_conversations_is_refused(cramped: System) -> None:
    ann = await cramped.person("ann")
    async with cramped.connect(ann) as a:
        error = await a.resume({f"conversation-{number}": 0 for number in range(4)})
        assert error["type"] == "error"
        await a.ping()


async def test_a_socket_ends_with_its_token_after_a_warning(shortlived: System) -> None:
    ann = await shortlived.person("ann")
    async with shortlived.connect(ann) as a:
        warning = await a.wait("token_expiring")
        assert warning["expires_at"] == a.of("welcome")[0]["token_expires_at"]
        assert await a.closed() == 4002
    async with opened(shortlived.connect(ann)) as late:
        await late.send("auth", token=ann.token)
        assert await late.closed() == 4501


async def test_a_token_of_the_same_session_prolongs_a_socket_and_no_other_does(
    shortlived: System,
) -> None:
    ann, bob = await shortlived.person("ann"), await shortlived.person("bob")
    async with shortlived.connect(ann) as a:
        elsewhere = await log_in(shortlived, ann)
        for foreign in (bob.token, elsewhere):
            await a.send("auth", token=foreign, id="foreign")
            await a.wait("error", id="foreign", code="forbidden")
            a.events = [event for event in a.events if event.get("id") != "foreign"]
        for number in range(2):
            await asyncio.sleep(SHORT_SECONDS / 2)  # what is tested is time
            ann = await refresh(shortlived, ann)
            await a.send("auth", token=ann.token, id=f"{number}")
            await a.wait("ack", id=f"{number}")
        await asyncio.sleep(SHORT_SECONDS / 4)
        assert a.close_code is None  # the first token has ended
        await a.ping()
        assert await a.closed() == 4002


@asynccontextmanager
async def opened(client: ChatClient) -> AsyncIterator[ChatClient]:
    """A socket that says nothing by itself."""
    await client.open()
    try:
        yield client
    finally:
        await client.close()


async def log_in(system: System, person: Person) -> str:
    """The access token of another session."""
    body = {"email": person.email, "password": PASSWORD}
    async with (
        aiohttp.ClientSession(system.auth.url) as http,
        http.post("/login", json=body) as reply,
    ):
        assert reply.status == 200
        return str((await reply.json())["access_token"])


async def refresh(system: System, person: Person) -> Person:
    """The same session, with its next tokens."""
    body = {"refresh_token": person.refresh_token}
    async with (
        aiohttp.ClientSession(system.auth.url) as http,
        http.post("/token/refresh", json=body) as reply,
    ):
        assert reply.status == 200
        tokens = await reply.json()
    return Person(person.email, tokens["access_token"], tokens["refresh_token"])
