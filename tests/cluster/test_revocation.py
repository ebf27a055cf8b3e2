"""Promise 6: revocation reaches live sockets, within a second, on every instance."""

import asyncio
import time

from pymongo import MongoClient

from deploy.local.backing.rabbitmq import RabbitServer
from tests.cluster.conftest import Launch
from tests.support.accounts import (
    accepts,
    ask,
    assert_closed_as_revoked,
    logged_in,
    refreshed,
    sid_of,
)
from tests.support.conditions import eventually
from tests.support.system import Person, System


async def assert_refused_everywhere(system: System, person: Person) -> None:
    for chat in system.chats:
        assert not await accepts(chat, person)
    for auth in system.auths:
        assert (await ask(auth, "GET", "/employees/me", token=person.token)).status == 401


async def test_logout_closes_the_sockets_of_the_session_on_every_instance(
    replicated: System,
) -> None:
    ann = await replicated.person("ann")
    other = await logged_in(replicated, ann.email, replica=1)
    async with (
        replicated.connect(ann, 0) as first,
        replicated.connect(ann, 1) as second,
        replicated.connect(other, 1) as kept,
    ):
        for chat in replicated.chats:
            assert await accepts(chat, ann)  # its token is in the cache
        started = time.monotonic()
        reply = await ask(replicated.auths[1], "POST", "/logout", token=ann.token)
        assert reply.status == 204
        await assert_closed_as_revoked(first, started)
        await assert_closed_as_revoked(second, started)
        await assert_refused_everywhere(replicated, ann)
        await kept.ping()
    assert await accepts(replicated.chats[0], other)


async def test_a_session_ended_from_elsewhere_and_logout_of_all_close_sockets(
    replicated: System,
) -> None:
    ann = await replicated.person("ann")
    phone, laptop = [await logged_in(replicated, ann.email) for _ in range(2)]
    async with (
        replicated.connect(ann, 0) as here,
        replicated.connect(phone, 1) as there,
        replicated.connect(laptop, 0) as last,
    ):
        started = time.monotonic()
        path = f"/sessions/{sid_of(phone)}"
        assert (await ask(replicated.auth, "DELETE", path, token=ann.token)).status == 204
        await assert_closed_as_revoked(there, started)
        await here.ping()
        started = time.monotonic()
        assert (await ask(replicated.auth, "POST", "/logout/all", token=ann.token)).status == 204
        await assert_closed_as_revoked(here, started)
        await assert_closed_as_revoked(last, started)


async def test_a_reused_refresh_token_kills_the_session_and_its_live_sockets(
    replicated: System,
) -> None:
    ann = await replicated.person("ann")
    second = (await refreshed(replicated, ann.refresh_token)).body["refresh_token"]
    assert (await refreshed(replicated, second, replica=1)).status == 200
    async with replicated.connect(ann, 0) as first, replicated.connect(ann, 1) as other:
        started = time.monotonic()
        assert (await refreshed(replicated, ann.refresh_token, replica=1)).status == 401
        await assert_closed_as_revoked(first, started)
        await assert_closed_as_revoked(other, started)
    await assert_refused_everywhere(replicated, ann)


async def test_a_lost_refresh_reply_kills_nothing(replicated: System) -> None:
    ann = await replicated.person("ann")
    async with replicated.connect(ann, 0) as socket:
        await refreshed(replicated, ann.refresh_token)  # the reply is lost
        again = await refreshed(replicated, ann.refresh_token, replica=1)
        assert again.status == 200
        assert (await refreshed(replicated, again.body["refresh_token"])).status == 200
        await socket.ping()
        assert await accepts(replicated.chats[1], ann)


async def test_a_revoked_token_opens_no_socket_and_replaces_none(replicated: System) -> None:
    ann = await replicated.person("ann")
    grant = (await refreshed(replicated, ann.refresh_token)).body
    newer = Person(ann.email, grant["access_token"], grant["refresh_token"])
    async with replicated.connect(ann, 0) as socket:
        started = time.monotonic()
        await ask(replicated.auth, "POST", "/logout", token=ann.token)
        await assert_closed_as_revoked(socket, started)
    for person in (ann, newer):
        socket = replicated.connect(person, 0)
        socket._token = None
        await socket.open()
        await socket.send("auth", token=person.token)
        assert await socket.closed() == 4501
        await socket.close()


async def test_an_instance_that_starts_knows_what_was_revoked_before(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    system = await launch(mongo_url, amqp_url)
    ann = await system.person("ann")
    assert system.chats[0].stop() == 0
    await ask(system.auth, "POST", "/logout", token=ann.token)
    # Whoever is ready has caught up, so the first answer counts.
    await asyncio.to_thread(system.chats[0].start)
    assert not await accepts(system.chats[0], ann)
    system.auth.kill()
    assert system.chats[0].stop() == 0
    system.chats[0].launch()
    eventually(lambda: "revoked sessions" in _failing(system), 20.0)
    await asyncio.to_thread(system.auth.start)
    eventually(system.chats[0].is_ready)
    assert not await accepts(system.chats[0], ann)


async def test_with_the_broker_away_revocation_is_asked_for_and_told_when_it_is_back(
    launch: Launch, mongo_url: str, own_rabbit_server: RabbitServer
) -> None:
    own_rabbit_server.start()
    system = await launch(mongo_url, own_rabbit_server.url)
    ann, ben = await system.person("ann"), await system.person("ben")
    async with system.connect(ann, 0) as first, system.connect(ben, 1) as second:
        await asyncio.to_thread(own_rabbit_server.kill)
        await ask(system.auth, "POST", "/logout", token=ann.token)
        assert await first.closed() == 4502
        await ask(system.auth, "POST", "/logout", token=ben.token)
        system.auth.kill()  # before it could tell anybody
        await asyncio.to_thread(system.auth.start)
        await asyncio.to_thread(own_rabbit_server.start)
        assert await second.closed() == 4502
        for chat in system.chats:
            await asyncio.to_thread(eventually, chat.is_ready)
    with MongoClient[dict[str, object]](mongo_url) as client:
        sessions = client[system.auth_database]["sessions"]
        eventually(lambda: sessions.count_documents({"announced": False}) == 0)
        assert sessions.count_documents({"announced": True}) == 2


async def test_without_a_broker_revocation_is_asked_for_every_moment(
    launch: Launch, mongo_url: str
) -> None:
    system = await launch(mongo_url, "memory://", instances=1)
    ann = await system.person("ann")
    async with system.connect(ann, 0) as socket:
        started = time.monotonic()
        await ask(system.auth, "POST", "/logout", token=ann.token)
        await assert_closed_as_revoked(socket, started)
    assert not await accepts(system.chats[0], ann)


def _failing(system: System) -> dict[str, str]:
    try:
        return system.chats[0].failing()
    except OSError:
        return {}
