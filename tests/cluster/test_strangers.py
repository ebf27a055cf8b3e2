"""Sockets that nobody has authenticated, and frames that carry nothing: nobody waits for them."""

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import pytest

from tests.cluster.conftest import Launch
from tests.cluster.test_bounds import metric, until_metric
from tests.fault.fuzz.peer import Peer
from tests.fault.fuzz.wire import Opcode, frame
from tests.support.client import ChatClient
from tests.support.system import System

EACH, MOST = 5, 8
SETTINGS = {
    "MAX_UNAUTHENTICATED": str(MOST),
    "MAX_ADDRESS_UNAUTHENTICATED": str(EACH),
    "TRUSTED_PROXIES": "127.0.0.1/32",
    "AUTH_SECONDS": "60",
}
FLOOD = 500_000


@pytest.fixture
async def strict(launch: Launch, mongo_url: str, amqp_url: str) -> System:
    return await launch(mongo_url, amqp_url, instances=1, settings=SETTINGS)


EMPTY = {
    "pings": frame(b"", Opcode.PING),
    "pongs": frame(b"", Opcode.PONG),
    "fragments": frame(b"", Opcode.CONTINUATION, fin=False),
}


@pytest.mark.parametrize("kind", EMPTY)
@pytest.mark.parametrize("authenticated", [True, False])
async def test_who_floods_with_empty_frames_is_cut_off_and_holds_up_nobody(
    strict: System, kind: str, authenticated: bool
) -> None:
    chat = strict.chats[0]
    ann, bob, eve = [await strict.person(name) for name in ("ann", "bob", "eve")]
    before = metric(chat, "chat_floods_closed_total")
    async with strict.connect(ann) as a, strict.connect(bob) as b:
        flood = await Peer.connect(chat.url, eve.token if authenticated else None)
        first = frame(b"", Opcode.TEXT, fin=False) if kind == "fragments" else b""
        flooding = asyncio.create_task(flood.write(first + EMPTY[kind] * FLOOD, chunk=60_000))
        for number in range(5):
            ack = await a.said(bob.email, f"{number}")
            await b.wait("message", id=ack["id"])
        await flood.until(lambda: flood.ended)
        await flooding
        assert flood.close_code in (1008, None)
        await until_metric(chat, "chat_floods_closed_total", lambda count: count == before + 1)
        assert chat.is_ready()


async def test_a_client_that_pings_now_and_then_is_answered(strict: System) -> None:
    eve = await strict.person("eve")
    peer = await Peer.connect(strict.chats[0].url, eve.token)
    for number in range(3):
        await peer.write(frame(b"%d" % number, Opcode.PING) + frame(b"", Opcode.PONG))
        await peer.until(lambda number=number: b"%d" % number in peer.echoes)  # type: ignore[misc]
    await peer.write(b"".join(frame(b"burst %d" % number, Opcode.PING) for number in range(50)))
    await peer.until(lambda: b"burst 49" in peer.echoes)
    assert not peer.ended
    peer.abort()


async def test_strangers_take_no_place_of_anybody_else(strict: System) -> None:
    ann = await strict.person("ann")
    chat = strict.chats[0]

    async def stranger(address: str) -> ChatClient:
        client = ChatClient(chat.url, None)
        await client.open({"X-Forwarded-For": address})
        stack.push_async_callback(client.close)
        return client

    async with AsyncExitStack() as stack:
        first = [await stranger("192.0.2.1") for _ in range(EACH)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await stranger("192.0.2.1")
        assert refusal.value.status == 503
        for _ in range(MOST - EACH):
            await stranger("192.0.2.2")
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await stranger("192.0.2.3")
        assert metric(chat, "chat_unauthenticated") == MOST
        assert metric(chat, "chat_unauthenticated_refused_total") == 2
        in_the_upgrade = ChatClient(chat.url, None)
        await in_the_upgrade.open(ann.headers)
        stack.push_async_callback(in_the_upgrade.close)
        await in_the_upgrade.wait("welcome")
        await first[0].send("auth", token=ann.token)
        await first[0].wait("welcome")
        await until_metric(chat, "chat_unauthenticated", lambda count: count == MOST - 1)
        await stranger("192.0.2.1")
