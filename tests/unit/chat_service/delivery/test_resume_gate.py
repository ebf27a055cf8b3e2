"""What a resume sent comes before live events, and not again with them."""

from chat_service.delivery.resume_gate import MAX_HELD, ResumeGate
from chat_service.delivery.writer import Flusher, Writer, WriterState
from chat_service.fanout import Event
from tests.support.transport import Recorder


class Stage:
    """A welcomed socket, and what it is sent."""

    def __init__(self) -> None:
        self.transport = Recorder()
        self.writer = Writer(self.transport, 100_000, Flusher())
        self.gate = ResumeGate(self.writer)
        self.gate.release({})

    def deliver(self, conversation: str, *seqs: int) -> None:
        for seq in seqs:
            frame = f"{conversation}{seq} ".encode()
            self.gate.deliver(Event(conversation, seq, 0, "ann", "bob", frame))

    def sent(self) -> list[str]:
        self.writer.flush()
        written = b"".join(self.transport.written).decode().split()
        self.transport.written.clear()
        return written


async def test_events_wait_for_the_welcome() -> None:
    stage = Stage()
    stage.gate = ResumeGate(stage.writer)
    stage.deliver("c", 1)
    assert stage.sent() == []
    stage.gate.release({})
    assert stage.sent() == ["c1"]


async def test_events_wait_for_the_end_of_a_resume_and_those_it_sent_are_dropped() -> None:
    stage = Stage()
    stage.gate.hold()
    stage.deliver("c", 4, 5, 6)
    stage.deliver("d", 1)
    assert stage.sent() == []
    stage.gate.release({"c": 5})
    assert stage.sent() == ["c6", "d1"]


async def test_who_resumes_while_too_much_happens_is_cut_off() -> None:
    stage = Stage()
    stage.gate.hold()
    stage.deliver("c", *range(1, MAX_HELD + 1))
    assert not stage.transport.aborted
    stage.deliver("c", MAX_HELD + 1)
    assert stage.writer.state is WriterState.CUT_OFF
