"""What is told through the broker is read as it was meant, or not at all."""

import pytest
from msgspec import msgpack

from chat_service.fanout import events
from chat_service.fanout.events import VERSION, Batch, Event, Signal, decode, encode
from chat_service.log.entries import Announcement
from shared import auth_events

BATCH = Batch(
    VERSION,
    "chat-1",
    events=[Event("c", 1, 2, "ann@example.org", "bob@example.org", b"\x81\x02{}")],
    signals=[Signal(("ann@example.org",), b"\x81\x02{}")],
    announcements=[Announcement("c", "ann@example.org", "bob@example.org", 1)],
)


def test_a_batch_is_read_as_it_was_written() -> None:
    assert decode(encode(BATCH)) == BATCH


def test_a_batch_that_is_cut_off_or_has_a_bit_flipped_is_none() -> None:
    body = encode(BATCH)
    for length in range(len(body)):
        assert decode(body[:length]) is None
    for bit in range(8 * len(body)):
        flipped = (int.from_bytes(body) ^ 1 << bit).to_bytes(len(body))
        assert decode(flipped) is None


def test_a_newer_field_is_ignored_and_a_newer_version_is_none() -> None:
    fields = msgpack.decode(msgpack.encode(BATCH))
    assert decode(events.sealed(msgpack.encode([*fields, "newer"]))) == BATCH
    assert decode(events.sealed(msgpack.encode([VERSION + 1, *fields[1:]]))) is None


@pytest.mark.parametrize("head", [-1, 2**53, 2**63, 2**64 - 1])
def test_a_position_that_no_log_can_have_is_not_believed(head: int) -> None:
    news = [["c", "ann@example.org", "bob@example.org", head]]
    body = events.sealed(msgpack.encode([VERSION, "chat-1", 0, [], [], news]))
    assert decode(body) is None


@pytest.mark.parametrize("read", [auth_events.revoked_session, auth_events.deleted_employee])
def test_an_event_that_is_nested_too_deeply_is_a_value_error(read: object) -> None:
    assert callable(read)
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind
        read(b'{"newer":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def test_a_deletion_at_no_time_that_there_is_is_a_value_error() -> None:
    body = b'{"employee":"1","email":"a@b.c","deleted_at":"0001-01-01T00:00:00+23:59"}'
    with pytest.raises(ValueError, match="years"):
        auth_events.deleted_employee(body)
