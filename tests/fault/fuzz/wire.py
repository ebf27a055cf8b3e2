"""WebSocket frames as a hostile client makes them (RFC 6455, section 5.2); nothing is checked."""

from enum import IntEnum
from random import Random
from struct import pack

from msgspec import Struct


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


def frame(
    payload: bytes,
    opcode: int = Opcode.TEXT,
    *,
    fin: bool = True,
    reserved: int = 0,
    mask: bytes | None = b"\0\0\0\0",
    length_bytes: int | None = None,
    declared: int | None = None,
) -> bytes:
    """One frame. `declared` is the length that it claims, in `length_bytes` (0, 2 or 8; the
    shortest that fits, where it is None); without a `mask` it is as only servers may send it."""
    length = len(payload) if declared is None else declared
    if length_bytes is None:
        length_bytes = 0 if length < 126 else 2 if length < 65_536 else 8
    masked = 0 if mask is None else 0x80
    first = (fin << 7) | (reserved << 4) | opcode
    match length_bytes:
        case 0:
            head = pack("!BB", first, masked | length)
        case 2:
            head = pack("!BBH", first, masked | 126, length)
        case _:
            head = pack("!BBQ", first, masked | 127, length)
    return head + (payload if mask is None else mask + masked_with(mask, payload))


def masked_with(mask: bytes, payload: bytes) -> bytes:
    length = len(payload)
    key = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(length)


def fragments(payload: bytes, random: Random, between: list[bytes]) -> bytes:
    """`payload` in two to six frames, some of them empty, with the frames `between` amid them."""
    cuts = sorted(random.randint(0, len(payload)) for _ in range(random.randint(1, 5)))
    parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    waiting = list(between)
    made = []
    for number, part in enumerate(parts):
        opcode = Opcode.CONTINUATION if number else Opcode.TEXT
        last = number == len(parts) - 1
        made.append(frame(part, opcode, fin=last, mask=random.randbytes(4)))
        if waiting and not last:
            made.append(waiting.pop(0))
    return b"".join(made + waiting)


class Ending(Struct, frozen=True):
    """What ends a socket. `codes` are those that it may be closed with, None: without a close
    frame. `hangs_up` says whether the client ends its side as well, and how."""

    data: bytes
    codes: frozenset[int | None]
    hangs_up: str = ""


_PROTOCOL = frozenset({1002})
_TOO_BIG = frozenset({1009})
_ANYTHING = frozenset({None, 1000, 1002, 1007, 1009, 4501, 4503})


def _codes(*codes: int | None) -> frozenset[int | None]:
    return frozenset(codes)


ENDINGS = (
    "binary",
    "binary in fragments",
    "not UTF-8",
    "reserved bits",
    "unknown opcode",
    "control frame in fragments",
    "control frame too long",
    "continuation of nothing",
    "text amid fragments",
    "too big",
    "too big in fragments",
    "absurd length",
    "close",
    "close with a reason",
    "close with a code that is none",
    "close with half a code",
    "close with a reason that is no text",
    "garbage",
    "half a frame",
    "half closed",
    "vanished",
)


def ending(kind: str, random: Random, limit: int) -> Ending:
    """The bytes that end a socket whose largest frame is `limit`."""
    mask = random.randbytes(4)
    some = random.randbytes(random.randint(1, 100))
    match kind:
        case "binary":
            return Ending(frame(some, Opcode.BINARY, mask=mask), _codes(4503))
        case "binary in fragments":
            start = frame(some, Opcode.BINARY, fin=False, mask=mask)
            return Ending(start + frame(some, Opcode.CONTINUATION, mask=mask), _codes(4503))
        case "not UTF-8":
            return Ending(frame(b'{"a":"\xff"}', mask=mask), _codes(1007))
        case "reserved bits":
            opcode = random.choice(list(Opcode))
            # RSV1 of a control frame is ignored by the library, against RFC 6455, section 5.2.
            bits = random.randint(1, 7) if opcode < Opcode.CLOSE else random.choice((1, 2, 3, 5, 7))
            return Ending(frame(some, opcode, reserved=bits, mask=mask), _PROTOCOL)
        case "unknown opcode":
            unknown = random.choice((3, 4, 5, 6, 7, 11, 12, 13, 14, 15))
            return Ending(frame(some, unknown, mask=mask), _PROTOCOL)
        case "control frame in fragments":
            opcode = random.choice((Opcode.CLOSE, Opcode.PING, Opcode.PONG))
            return Ending(frame(some, opcode, fin=False, mask=mask), _PROTOCOL)
        case "control frame too long":
            opcode = random.choice((Opcode.CLOSE, Opcode.PING, Opcode.PONG))
            long = random.randbytes(random.choice((126, 1000, 65_535, 70_000)))
            return Ending(frame(long, opcode, mask=mask), _PROTOCOL)
        case "continuation of nothing":
            fin = random.random() < 0.5
            return Ending(frame(some, Opcode.CONTINUATION, fin=fin, mask=mask), _PROTOCOL)
        case "text amid fragments":
            return Ending(frame(some, fin=False, mask=mask) + frame(some, mask=mask), _PROTOCOL)
        case "too big":
            size = limit + random.choice((0, 1, 1000, 1_000_000))
            return Ending(frame(b" " * size, mask=mask), _TOO_BIG)
        case "too big in fragments":
            part = b" " * random.randint(1000, limit - 1)
            more = frame(part, Opcode.CONTINUATION, fin=False, mask=mask)
            return Ending(
                frame(part, fin=False, mask=mask) + more * (limit // len(part) + 1), _TOO_BIG
            )
        case "absurd length":
            declared = random.choice((2**31, 2**32 + 5, 2**63 - 1, 2**63, 2**64 - 1))
            return Ending(frame(some, declared=declared, mask=mask), _TOO_BIG)
        case "close":
            return Ending(frame(b"", Opcode.CLOSE, mask=mask), _codes(1000))
        case "close with a reason":
            code = random.choice((1000, 1001, 1003, 1011, 3000, 4001, 4999))
            body = pack("!H", code) + ("é" * random.randint(0, 61)).encode()
            return Ending(frame(body, Opcode.CLOSE, mask=mask), _codes(1000))
        case "close with a code that is none":
            # The library takes 1006 as well, against RFC 6455, section 7.4.1.
            code = random.choice((0, 1, 999, 1004, 1005, 1015, 1016, 2999))
            return Ending(frame(pack("!H", code), Opcode.CLOSE, mask=mask), _PROTOCOL)
        case "close with half a code":
            return Ending(frame(b"\3", Opcode.CLOSE, mask=mask), _PROTOCOL)
        case "close with a reason that is no text":
            body = pack("!H", 1000) + b"\xff\xfe"
            return Ending(frame(body, Opcode.CLOSE, mask=mask), _codes(1007))
        case "garbage":
            return Ending(random.randbytes(random.randint(2, 300)), _ANYTHING, "half")
        case "half a frame":
            whole = frame(b'{"type":"ping"}', mask=mask)
            return Ending(whole[: random.randint(1, len(whole) - 1)], _codes(None, 1000), "half")
        case "half closed":
            return Ending(b"", _codes(None, 1000), "half")
        case _:
            return Ending(b"", _codes(None), "abort")
