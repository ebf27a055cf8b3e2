"""Presence on real instances: announced to partners only, and right after reloads and crashes.

The times are short here; the last test checks that the default ones keep the promise.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from chat_service.presence.keeper import WRITE_SECONDS
from chat_service.presence.lease import ROUNDS
from chat_service.settings import ChatSettings
from deploy.local.backing.mongodb import MongoServer
from deploy.local.backing.rabbitmq import RabbitServer
from shared.settings import load
from tests.support.client import ChatClient, Event
from tests.support.system import Person, System

GRACE_SECONDS = 2
LEASE_SECONDS = 5


@pytest.fixture(scope="module")
def system(
    tmp_path_factory: pytest.TempPathFactory,
    own_mongo_server: MongoServer,
    rabbit_server: RabbitServer,
) -> Iterator[System]:
    """Two instances; each test leaves both running."""
    own_mongo_server.start()
    rabbit_server.start()
    system = System(
        tmp_path_factory.mktemp("presence"),
        own_mongo_server.url,
        rabbit_server.url,
        settings={
            "PRESENCE_GRACE_SECONDS": str(GRACE_SECONDS),
            "PRESENCE_LEASE_SECONDS": str(LEASE_SECONDS),
        },
    )
    try:
        system.start()
        yield system
    finally:
        system.kill()


@pytest.fixture
async def friends(system: System) -> tuple[Person, Person]:
    """Two people with a conversation."""
    ann, bob = await system.person("ann"), await system.person("bob")
    status, _ = await system.send(ann, bob, "hello")
    assert status == 201
    return ann, bob


async def ask(
    system: System, asker: Person, *employees: str, instance: int = 0
) -> tuple[int, Event]:
    """The status and the body of `GET /presence`."""
    async with (
        aiohttp.ClientSession(system.chats[instance].url) as http,
        http.get(
            "/presence",
            params=[("employee", employee) for employee in employees],
            headers=asker.headers,
        ) as reply,
    ):
        return reply.status, await reply.json()


async def shown(system: System, asker: Person, person: Person, *, instance: int = 0) -> Event:
    """What an instance answers about one person."""
    status, body = await ask(system, asker, person.email, instance=instance)
    assert status == 200, body
    (presence,) = body["presence"]
    assert isinstance(presence, dict)
    return presence


async def becomes(system: System, asker: Person, person: Person, status: str) -> Event:
    """Returns when both instances answer `status`."""
    async with asyncio.timeout(30):
        while True:
            answers = [await shown(system, asker, person, instance=number) for number in (0, 1)]
            if all(answer["status"] == status for answer in answers):
                return answers[0]
            await asyncio.sleep(0.05)


def told(client: ChatClient, person: Person) -> list[str]:
    """The statuses that a device was told about a person, in order."""
    return [event["status"] for event in client.of("presence", employee=person.email)]


async def test_coming_and_going_reaches_the_partner_on_the_other_instance_and_nobody_else(
    system: System, friends: tuple[Person, Person]
) -> None:
    ann, bob = friends
    cid, dan = await system.person("cid"), await system.person("dan")
    await system.send(cid, dan, "hello")
    async with system.connect(bob, 1) as b, system.connect(dan, 1) as d:
        async with system.connect(ann, 0) as a:
            came = await b.wait("presence", employee=ann.email, status="online")
        went = await b.wait("presence", employee=ann.email, status="offline")
        assert told(b, ann) == ["online", "offline"]
        assert came["last_seen"] < went["last_seen"]
        assert told(a, ann) == []
        async with system.connect(cid, 0):
            await d.wait("presence", employee=cid.email, status="online")
        assert {event["employee"] for event in d.of("presence")} == {cid.email}
        assert told(b, cid) == []


async def test_it_is_shown_who_is_online_and_when_others_were_seen(
    system: System, friends: tuple[Person, Person]
) -> None:
    ann, bob = friends
    assert await shown(system, ann, bob) == {
        "employee": bob.email,
        "status": "offline",
        "last_seen": None,
    }
    async with system.connect(bob, 1) as b:
        online = await becomes(system, ann, bob, "online")
        await b.ping()
        left = datetime.now(UTC)
    offline = await becomes(system, ann, bob, "offline")
    seen = datetime.fromisoformat(offline["last_seen"])
    assert datetime.fromisoformat(online["last_seen"]) <= seen
    assert abs(seen - left) < timedelta(seconds=1)


async def test_who_has_two_devices_on_two_instances_is_online_until_both_are_gone(
    system: System, friends: tuple[Person, Person]
) -> None:
    ann, bob = friends
    eve = await system.person("eve")
    await system.send(eve, bob, "hello")
    async with system.connect(bob, 0) as b:
        async with system.connect(ann, 1):
            await b.wait("presence", employee=ann.email, status="online")
            async with system.connect(ann, 0), system.connect(eve, 0):
                await b.wait("presence", employee=eve.email, status="online")
            await b.wait("presence", employee=eve.email, status="offline")
            assert told(b, ann) == ["online"]
        await b.wait("presence", employee=ann.email, status="offline")
        assert told(b, ann) == ["online", "offline"]


async def test_a_reload_within_the_grace_time_is_no_news(
    system: System, friends: tuple[Person, Person]
) -> None:
    ann, bob = friends
    async with system.connect(bob, 1) as b:
        for _ in range(5):
            async with system.connect(ann, 0):
                await becomes(system, bob, ann, "online")
        for _ in range(2):  # between the instances, too
            async with system.connect(ann, 1):
                await becomes(system, bob, ann, "online")
        await b.wait("presence", employee=ann.email, status="offline")
        assert told(b, ann) == ["online", "offline"]


async def test_the_people_of_a_killed_instance_go_offline_and_those_elsewhere_do_not(
    system: System, friends: tuple[Person, Person]
) -> None:
    ann, bob = friends
    eve = await system.person("eve")
    await system.send(eve, bob, "hello")
    try:
        async with system.connect(bob, 1) as b, system.connect(eve, 1):
            async with system.connect(ann, 0), system.connect(eve, 0):
                await b.wait("presence", employee=ann.email, status="online")
                await b.wait("presence", employee=eve.email, status="online")
                await becomes(system, bob, ann, "online")
                system.chats[0].kill()
                killed = datetime.now(UTC)
                went = await b.wait("presence", employee=ann.email, status="offline")
            assert datetime.now(UTC) - killed < timedelta(seconds=2 * LEASE_SECONDS + 2)
            assert datetime.fromisoformat(went["last_seen"]) <= killed + timedelta(seconds=1)
            assert (await shown(system, bob, eve, instance=1))["status"] == "online"
            assert told(b, eve) == ["online"]
    finally:
        await asyncio.to_thread(system.chats[0].start)
    assert (await shown(system, bob, ann))["status"] == "offline"


async def test_an_instance_that_was_killed_and_starts_again_shows_nobody_of_its_old_life(
    system: System, friends: tuple[Person, Person]
) -> None:
    ann, bob = friends
    eve = await system.person("eve")
    await system.send(eve, bob, "hello")
    async with system.connect(bob, 1) as b:
        async with system.connect(ann, 0), system.connect(eve, 0):
            await b.wait("presence", employee=ann.email, status="online")
            await b.wait("presence", employee=eve.email, status="online")
            await becomes(system, bob, ann, "online")
            system.chats[0].kill()
        await asyncio.to_thread(system.chats[0].start)
        async with system.connect(eve, 0):
            await b.wait("presence", employee=ann.email, status="offline")
            await becomes(system, bob, eve, "online")


async def test_people_of_an_instance_that_stops_are_not_gone_when_they_connect_elsewhere(
    system: System, friends: tuple[Person, Person]
) -> None:
    ann, bob = friends
    eve = await system.person("eve")
    await system.send(eve, bob, "hello")
    try:
        async with (
            system.connect(bob, 1) as b,
            system.connect(ann, 0) as a,
            system.connect(eve, 0) as e,
        ):
            await b.wait("presence", employee=ann.email, status="online")
            await b.wait("presence", employee=eve.email, status="online")
            stopping = asyncio.create_task(asyncio.to_thread(system.chats[0].stop))
            await a.closed()
            async with system.connect(ann, 1):
                await e.closed()
                assert await stopping == 0
                await b.wait("presence", employee=eve.email, status="offline")
                assert told(b, ann) == ["online"]
    finally:
        await asyncio.to_thread(system.chats[0].stop)
        await asyncio.to_thread(system.chats[0].start)


async def test_without_a_database_sockets_live_and_afterwards_presence_is_right(
    system: System, friends: tuple[Person, Person], own_mongo_server: MongoServer
) -> None:
    ann, bob = friends
    eve = await system.person("eve")
    await system.send(eve, bob, "hello")
    async with system.connect(bob, 1) as b, system.connect(ann, 0) as a:
        await b.wait("presence", employee=ann.email, status="online")
        async with system.connect(eve, 0):
            await b.wait("presence", employee=eve.email, status="online")
            await asyncio.to_thread(own_mongo_server.stop)
        try:
            status, problem = await ask(system, bob, ann.email, instance=1)
            assert (status, problem["code"]) == (503, "unavailable")
            for _ in range(3):
                async with system.connect(eve, 1) as e:
                    await e.ping()
                await a.ping()
                await b.ping()
        finally:
            await asyncio.to_thread(own_mongo_server.start)
        await b.wait("presence", employee=eve.email, status="offline")
        assert (await becomes(system, bob, ann, "online"))["status"] == "online"
        await becomes(system, bob, eve, "offline")
        assert told(b, ann) == ["online"]
        await a.ping()
        await b.ping()


async def test_the_question_names_1_to_200_addresses(system: System) -> None:
    ann = await system.person("ann")
    for employees, path in (
        ([], "$"),
        ([f"e{number}@example.org" for number in range(201)], "$.employee"),
        ([ann.email, "no address"], "$.employee[1]"),
    ):
        status, problem = await ask(system, ann, *employees)
        assert (status, problem["code"]) == (422, "invalid_input"), problem
        assert problem["errors"][0]["path"] == path
    many = [f"E{number}@Example.org" for number in range(199)]
    status, body = await ask(system, ann, *many, "e0@example.org")
    assert status == 200
    assert [one["employee"] for one in body["presence"]] == [one.lower() for one in many]


async def test_only_who_is_logged_in_may_ask(system: System) -> None:
    async with (
        aiohttp.ClientSession(system.chats[0].url) as http,
        http.get("/presence", params={"employee": "ann@example.org"}) as reply,
    ):
        assert reply.status == 401


def test_the_usual_times_keep_the_promise_of_30_seconds() -> None:
    settings = load(
        ChatSettings,
        {
            "MONGO_URL": "mongodb://mongo/",
            "AMQP_URL": "memory://here",
            "AUTH_URL": "http://auth",
        },
    )
    lease = settings.presence_lease_seconds
    assert lease + 1.25 * lease / ROUNDS + WRITE_SECONDS < 25
