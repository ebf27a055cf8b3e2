"""How a socket ends: with a close frame as the last thing, and in bounded time."""

from tests.cluster.system import System
from tests.fuzz.peer import Peer
from tests.fuzz.wire import Opcode, frame


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
