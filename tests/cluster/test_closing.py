"""How a socket ends: with a close frame as the last thing, and in bounded time."""

import asyncio
from pathlib import Path

from tests.fault.fuzz.peer import Peer
from tests.fault.fuzz.wire import Opcode, frame
from tests.support.conditions import eventually, until
from tests.support.system import Person, Service, System
from tests.support.vitals import scrape, vitals

AT_ONCE = 5000
PONG = b'HH{"type":"pong","id":"%s"}'
IN_PROCESS = 200_000
"""Bytes in the service's own buffers."""


async def test_nothing_follows_a_close_frame(system: System) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    async with system.connect(ann) as a, system.connect(bob) as other:
        await a.said(bob.email, "before")
        peer = await Peer.connect(system.chats[0].url, bob.token)
        peer.polite = False
        await peer.until(lambda: peer.welcomed)
        await peer.write(frame(b"binary", Opcode.BINARY))
        await peer.until(lambda: peer.close_code is not None)
        ack = await a.said(bob.email, "while the socket waits for the other's close frame")
        await other.wait("message", id=ack["id"])
        await peer.write(frame(b"\x11\x97", Opcode.CLOSE))
        await peer.until(lambda: peer.ended)
        assert (peer.close_code, peer.fault) == (4503, None)


async def test_what_was_asked_before_a_close_frame_is_answered_before_it(system: System) -> None:
    ann = await system.person("ann")
    peer = await Peer.connect(system.chats[0].url, ann.token)
    await peer.until(lambda: peer.welcomed)
    await peer.write(frame(b'{"type":"ping","id":"1"}') + frame(b"", Opcode.CLOSE))
    await peer.until(lambda: peer.ended)
    assert (peer.pongs, peer.close_code, peer.fault) == ({"1"}, 1000, None)


async def test_who_leaves_without_reading_leaves_nothing_behind(system: System) -> None:
    """Promise: a hostile client hurts only itself. `MAX_EMPLOYEE_CONNECTIONS` does not count what
    is closed."""
    chat = system.chats[0]
    ann = await system.person("ann")
    async with system.connect(ann) as a:
        await a.ping()
        before = vitals(chat.url)
        peers = await asyncio.gather(*(unread(chat, ann) for _ in range(4)))
        for peer, goodbye in zip(peers, [Opcode.CLOSE, Opcode.CONTINUATION] * 2, strict=True):
            await peer.write(frame(b"", goodbye))
        await until(lambda: one_is_left(chat))
        await asyncio.to_thread(
            eventually, lambda: vitals(chat.url).descriptors <= before.descriptors
        )
        await asyncio.to_thread(eventually, lambda: vitals(chat.url).tasks <= before.tasks)
        for peer in peers:
            assert not peer.ended  # for all that it knows
            peer.abort()


async def unread(chat: Service, person: Person) -> Peer:
    """A socket that got more than the kernels hold for it, but less than `MAX_WRITE_BUFFER`."""
    peer = await Peer.connect(chat.url, person.token, window=4096)
    await peer.until(lambda: peer.welcomed)
    peer.transport.pause_reading()
    ping = frame(b'{"type":"ping","id":"%s"}' % (b"x" * 64))
    answered = 0
    while answered - await settled(peer) < IN_PROCESS:
        await peer.write(ping * AT_ONCE)
        answered += AT_ONCE * len(PONG % (b"x" * 64))
    return peer


async def settled(peer: Peer) -> int:
    """The bytes for `peer` that wait in the service's kernel, once they are no more."""
    waiting = -1
    while waiting != (waiting := unsent(peer)):  # noqa: ASYNC110 - it is another process
        await asyncio.sleep(0.1)
    return waiting


def unsent(peer: Peer) -> int:
    ours = peer.transport.get_extra_info("sockname")[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, _, queues, *_ = line.split()
        if int(remote.partition(":")[2], 16) == ours:
            return int(queues.partition(":")[0], 16)
    return 0


async def one_is_left(chat: Service) -> bool:
    return scrape(chat.url)["chat_connections"] == 1
