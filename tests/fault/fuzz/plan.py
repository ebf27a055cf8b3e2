"""One hostile socket from its upgrade to its end, and what it must see on the way."""

from random import Random
from typing import Any

from msgspec import Struct

from chat_service import protocol
from chat_service.websocket.socket import CONTROL_BURST
from tests.fault.fuzz.ops import Ground, Speaker
from tests.fault.fuzz.peer import Peer
from tests.fault.fuzz.wire import Opcode, ending, fragments, frame
from tests.support.system import Person

LIMIT = 65_536
"""MAX_FRAME_BYTES."""
STATES = ("header", "op", "anonymous")
"""How a socket says who it is; an anonymous one does not, or lies."""
FLOOD = 50
_SILENT = protocol.Typing | protocol.Mark


class Plan(Struct, frozen=True):
    """`count` payloads of these `kinds`, sent in writes of `chunk` bytes, then `ending`. `seed`
    decides the rest."""

    seed: int
    state: str
    kinds: tuple[str, ...]
    count: int
    chunk: int | None
    ending: str
    material: tuple[Any, ...]


class Stream:
    """The frames of one socket, and what has to be answered to them."""

    def __init__(self, plan: Plan, speaker: Speaker) -> None:
        self._random = Random(plan.seed)
        self._plan = plan
        self._speaker = speaker
        self.frames = 0
        self.least = 0
        self.most = 0
        self.echoes: list[bytes] = []
        self._control = 0

    def survivable(self) -> bytes:
        """All frames that leave the socket open."""
        return b"".join(self._next() for _ in range(self._plan.count))

    def op(self, payload: bytes) -> bytes:
        """A text frame."""
        self.frames += 1
        least, most = answers(payload)
        self.least += least
        self.most += most
        return frame(payload, mask=self._random.randbytes(4))

    def _next(self) -> bytes:
        random = self._random
        chance = random.random()
        if chance < 0.05:
            return self._ping()
        if chance < 0.07 and self._control_frame():
            return frame(random.randbytes(random.randint(0, 125)), Opcode.PONG)
        if chance < 0.08:
            return b"".join(self._ping() for _ in range(FLOOD))
        payload = readable(self._speaker.payload(self._plan.kinds)[:LIMIT])
        if chance < 0.16:
            between = [self._ping() for _ in range(random.randint(0, 2))]
            self.op(payload)
            return fragments(payload, random, between)
        if chance < 0.18:  # a length in more bytes than it needs
            self.op(payload)
            return frame(payload, mask=random.randbytes(4), length_bytes=8)
        if chance < 0.20 and self.frames:  # without a mask, which the first one must have
            self.op(payload)
            return frame(payload, mask=None)
        return self.op(payload)

    def _control_frame(self) -> bool:
        """Whether one more is allowed; more of them end a socket."""
        self._control += 1
        allowed = self._control < CONTROL_BURST
        self.frames += allowed
        return allowed

    def _ping(self) -> bytes:
        if not self._control_frame():
            return b""
        payload = self._random.randbytes(self._random.choice((0, 1, 8, 125)))
        self.echoes.append(payload)
        return frame(payload, Opcode.PING, mask=self._random.randbytes(4))


def readable(payload: bytes) -> bytes:
    """Without what is no UTF-8, which ends a socket."""
    return payload.decode(errors="ignore").encode()


def answers(payload: bytes) -> tuple[int, int]:
    """How many acks, errors, pongs or resumed a text frame gets, at least and at most."""
    try:
        op = protocol.op_decoder.decode(payload)
    except (ValueError, RecursionError):
        return 1, 1
    return (0, 1) if isinstance(op, _SILENT) else (1, 1)


async def play(plan: Plan, url: str, person: Person, ground: Ground) -> tuple[int, Peer]:
    """Returns how many frames the service has taken, all answered as they should be.

    Raises AssertionError where one was not.
    """
    random = Random(plan.seed)
    speaker = Speaker(random, person.email, person.token, ground, plan.material)
    stream = Stream(plan, speaker)
    peer = await Peer.connect(url, person.token if plan.state == "header" else None)
    try:
        if plan.state == "op":
            await peer.write(stream.op(b'{"type":"auth","token":"%s"}' % person.token.encode()))
            stream.least = stream.most = 0
        if plan.state != "anonymous":
            await peer.until(lambda: peer.welcomed)
            assert peer.welcomed, f"no welcome: {peer.status} {peer.close_code} {peer.errors}"
            await _survive(peer, stream, plan)
        elif plan.count:
            await _lie(peer, stream, plan, speaker)
            return stream.frames, peer
        await _end(peer, stream, plan, random)
    except TimeoutError:
        raise AssertionError(f"no answer: {_seen(peer, stream)}") from None
    finally:
        peer.abort()
    assert peer.fault is None, peer.fault
    return stream.frames, peer


async def _survive(peer: Peer, stream: Stream, plan: Plan) -> None:
    data = stream.survivable()
    await peer.write(data, plan.chunk)
    await peer.write(stream.op(b'{"type":"ping","id":"the last"}'))
    await peer.until(
        lambda: (
            "the last" in peer.pongs
            and peer.answers >= stream.least
            and list(peer.echoes)[-1:] == stream.echoes[-1:]
        )
    )
    assert not peer.ended, f"closed: {_seen(peer, stream)}"
    assert stream.least <= peer.answers <= stream.most, _seen(peer, stream)
    pings = iter(stream.echoes)  # of several at once, the newest is answered
    assert all(echo in pings for echo in peer.echoes), f"other pongs: {_seen(peer, stream)}"


async def _lie(peer: Peer, stream: Stream, plan: Plan, speaker: Speaker) -> None:
    """A first frame that is no `auth`, or one with a bad token; what follows it is not read."""
    first = readable(speaker.payload(plan.kinds)[:LIMIT])
    await peer.write(stream.op(first), plan.chunk)
    await peer.until(lambda: peer.welcomed)
    assert peer.fault is None, peer.fault
    if not peer.welcomed:  # else it was the right token
        assert (peer.answers, peer.close_code) == (1, 4501), _seen(peer, stream)


async def _end(peer: Peer, stream: Stream, plan: Plan, random: Random) -> None:
    before = peer.answers
    last = ending(plan.ending, random, LIMIT)
    after = random.random() < 0.3
    stream.frames += bool(last.data)
    await peer.write(last.data, plan.chunk)
    if after and not last.hangs_up:
        await peer.write(frame(b'{"type":"ping","id":"too late"}') * 3)
    if last.hangs_up == "half":
        peer.half_close()
    elif last.hangs_up == "abort":
        peer.abort()
    await peer.until(lambda: peer.ended)
    # What the server had not read when it closed makes its kernel reset the connection, and the
    # close frame that was under way is lost with it.
    split = plan.chunk is not None and len(last.data) > plan.chunk
    codes = last.codes | ({None} if after or split or len(last.data) > 1000 else set())
    assert peer.close_code in codes, f"{plan.ending}: {_seen(peer, stream)}"
    assert "too late" not in peer.pongs
    if plan.ending not in ("garbage", "not UTF-8") and stream.most == stream.least:
        assert peer.answers == before, f"{plan.ending}: {_seen(peer, stream)}"


def _seen(peer: Peer, stream: Stream) -> str:
    return (
        f"{stream.frames} frames were to get {stream.least} to {stream.most} answers and"
        f" {len(stream.echoes)} echoes; there were {peer.answers} and {len(peer.echoes)}:"
        f" {dict(peer.events)} {dict(peer.errors)}, closed with {peer.close_code}, {peer.fault}"
    )
