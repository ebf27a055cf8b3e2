"""What instances tell each other through the broker: msgpack, arrays, versioned, with a checksum.

A body that is damaged must not reach a socket: its frames are written as they are. Newer fields at
the end of an array are ignored; what means something else is a new version.
"""

from typing import Annotated
from zlib import crc32

import msgspec
from msgspec import Meta, Struct

from chat_service.log import Announcement, Seq

VERSION = 1

Milliseconds = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
"""Since the epoch, until the year 9999."""


class Event(Struct, frozen=True, array_like=True, gc=False):
    """A committed entry on its way to the sockets of its two participants.

    `at` and `previous_at` are when it and the entry before it were written, in milliseconds since
    the epoch (0: there is none before). `frame` is the whole WebSocket frame, ready to be sent.
    Entries after `late_after`, where it is set, may have become readable only long after they were
    written: they are owed to those who came meanwhile, too.
    """

    conversation: str
    seq: Seq
    at: Milliseconds
    previous_at: Milliseconds
    first: str
    second: str
    frame: bytes
    late_after: Seq | None = None


class Signal(Struct, frozen=True, array_like=True, gc=False):
    """Something about now, for some employees: typing, presence. Worth nothing later."""

    to: tuple[str, ...]
    frame: bytes


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


_encoder = msgspec.msgpack.Encoder()
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode
_decode_batch = msgspec.msgpack.Decoder(Batch).decode


def envelope(body: bytes) -> Envelope | None:
    """How `body` begins, None where it is damaged or nothing of this version; the rest is not
    looked at."""
    content = _content(body)
    if content is None:
        return None
    try:
        found = _decode_envelope(content)
    except (ValueError, RecursionError):
        return None
    return found if found.version == VERSION else None


def encode(batch: Batch) -> bytes:
    return sealed(_encoder.encode(batch))


def sealed(content: bytes) -> bytes:
    """`content` with its CRC-32 before it."""
    return crc32(content).to_bytes(4) + content


def decode(body: bytes) -> Batch | None:
    """The batch in `body`, None where it is damaged or not one of this version."""
    content = _content(body)
    if content is None:
        return None
    try:
        batch = _decode_batch(content)
    except (ValueError, RecursionError):
        return None
    return batch if batch.version == VERSION else None


def _content(body: bytes) -> memoryview | None:
    content = memoryview(body)[4:]
    return content if crc32(content) == int.from_bytes(body[:4]) else None
