"""What instances tell each other through the broker: msgpack, arrays, versioned."""

import msgspec
from msgspec import Struct

VERSION = 1


class Event(Struct, frozen=True, array_like=True, gc=False):
    """A committed entry on its way to the sockets of its two participants.

    `at` and `previous_at` are when it and the entry before it were written, in milliseconds since
    the epoch (0: there is none before). `frame` is the whole WebSocket frame, ready to be sent.
    """

    conversation: str
    seq: int
    at: int
    previous_at: int
    first: str
    second: str
    frame: bytes


class Signal(Struct, frozen=True, array_like=True, gc=False):
    """Something about now, for some employees: typing, presence. Worth nothing later."""

    to: tuple[str, ...]
    frame: bytes


class Announcement(Struct, frozen=True, array_like=True, gc=False):
    """A conversation has entries up to `head`, whether or not anybody was told of them."""

    conversation: str
    first: str
    second: str
    head: int


class Envelope(Struct, frozen=True, array_like=True, gc=False):
    """How every AMQP message begins. A version that is not ours is dropped: the log has it all.

    `canary` counts the messages of an instance to itself, from 1.
    """

    version: int
    origin: str
    canary: int = 0


class Batch(Envelope, frozen=True, array_like=True):
    """One AMQP message. `resync`, where it is not empty, is why every socket should resume."""

    events: list[Event] = []
    signals: list[Signal] = []
    announcements: list[Announcement] = []
    resync: str = ""


encode = msgspec.msgpack.Encoder().encode
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode
_decode_batch = msgspec.msgpack.Decoder(Batch).decode


def envelope(body: bytes) -> Envelope | None:
    """How `body` begins, None where it is nothing of this version; the rest is not looked at."""
    try:
        found = _decode_envelope(body)
    except (ValueError, RecursionError):
        return None
    return found if found.version == VERSION else None


def decode(body: bytes) -> Batch | None:
    """The batch in `body`, None where it is not one of this version."""
    try:
        batch = _decode_batch(body)
    except (ValueError, RecursionError):
        return None
    return batch if batch.version == VERSION else None
