"""A writer writes a turn's frames at once, nothing after the end, and never waits for its peer."""

import asyncio

from chat_service.delivery.writer import Flusher, Writer, WriterState
from tests.support.transport import Recorder


def a_writer(limit: int = 1000) -> tuple[Writer, Recorder]:
    transport = Recorder()
    return Writer(transport, limit, Flusher()), transport


async def test_what_is_offered_in_one_turn_is_one_write() -> None:
    writer, transport = a_writer()
    writer.offer(b"one")
    writer.offer(b"two")
    assert transport.written == []
    await asyncio.sleep(0)
    assert transport.written == [b"onetwo"]


async def test_nothing_is_written_after_the_end() -> None:
    writer, transport = a_writer()
    writer.offer(b"before")
    writer.end()
    writer.offer(b"after")
    writer.flush()
    assert transport.written == [b"before"]
    assert writer.state is WriterState.ENDED


async def test_who_is_offered_more_than_the_limit_in_one_turn_is_cut_off() -> None:
    writer, transport = a_writer(limit=5)
    writer.offer(b"12345")
    assert not transport.aborted
    writer.offer(b"6")
    assert writer.state is WriterState.CUT_OFF
    assert transport.aborted


async def test_who_leaves_more_than_the_limit_unread_is_cut_off() -> None:
    writer, transport = a_writer(limit=5)
    transport.unread = 6
    writer.offer(b"1")
    writer.flush()
    assert writer.state is WriterState.CUT_OFF
    assert transport.written == []


async def test_who_leaves_half_of_the_limit_unread_misses_what_may_be_dropped() -> None:
    writer, transport = a_writer(limit=10)
    for unread in (5, 6):
        transport.unread = unread
        writer.offer_or_drop(b"%d" % unread)
        writer.flush()
    assert transport.written == [b"5"]


async def test_a_socket_that_has_ended_does_not_count_as_cut_off() -> None:
    writer, transport = a_writer()
    writer.end()
    writer.cut_off()
    assert writer.state is WriterState.ENDED
    assert transport.aborted
