"""What instances send each other through the broker: versioned msgpack arrays with a checksum.

A damaged body must not reach a socket, since its frames are written as they are. Fields that a
newer version adds at the end of an array are ignored; any other change needs a new version.
"""

from typing import Annotated
from zlib import crc32

import msgspec
from msgspec import Meta, Struct

from chat_service.log import Announcement, Seq

VERSION = 2

Milliseconds = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
"""Since the epoch, up to the end of the year 9999."""


class Event(Struct, frozen=True, array_like=True, gc=False):
    """A committed entry on its way to the sockets of its two participants.

    `at` is when it was written, in milliseconds since the epoch. `frame` is the whole WebSocket
    frame, ready to be sent.
    """

    conversation: str
    seq: Seq
    at: Milliseconds
    first: str
    second: str
    frame: bytes


class Signal(Struct, frozen=True, array_like=True, gc=False):
    """What matters only now, for some employees: typing, presence, markers."""

    to: tuple[str, ...]
    frame: bytes


class Envelope(Struct, frozen=True, array_like=True, gc=False):
    """How every AMQP message begins. Another version than ours is dropped: the log has everything.

    `origin` is the instance that published it. `probe` numbers the messages of an instance to
    itself, from 1; 0 is none of these.
    """

    version: int
    origin: str
    probe: int = 0


class Batch(Envelope, frozen=True, array_like=True):
    """One AMQP message. Where `resync` is not empty, every socket should resume for this reason."""

    events: list[Event] = []
    signals: list[Signal] = []
    announcements: list[Announcement] = []
    resync: str = ""


_encoder = msgspec.msgpack.Encoder()
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode
_decode_batch = msgspec.msgpack.Decoder(Batch).decode


def envelope(body: bytes) -> Envelope | None:
    """How `body` begins; None where it is damaged or of another version. The rest is not read."""
    content = _content(body)
    if content is None:
        return None
    try:
        found = _decode_envelope(content)
    except (ValueError, RecursionError):
        return None
    return found if found.version == VERSION else None


def encode(batch: Batch) -> bytes:
    """The body that `decode` reads."""
    return sealed(_encoder.encode(batch))


def sealed(content: bytes) -> bytes:
    """`content` with its CRC-32 before it."""
    return crc32(content).to_bytes(4) + content


def decode(body: bytes) -> Batch | None:
    """The batch in `body`; None where it is damaged or of another version."""
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
