"""What one socket is sent, and when."""

from chat_service.delivery.connection import Connection
from chat_service.delivery.writer import Flusher, Writer
from shared.tokens import Claims
from tests.support.transport import Recorder

CLAIMS = Claims("iss", "aud", "sub", "ann@example.org", "Ann", "sid", "jti", 0, 2**31)
RESYNC = b"resync"
SIGNAL = b"signal"


async def test_who_was_not_welcomed_yet_is_told_to_resume_by_the_welcome_alone() -> None:
    transport = Recorder()
    writer = Writer(transport, 1000, Flusher())
    connection = Connection(writer, CLAIMS, "token", 1, lambda code: None)
    connection.resync(RESYNC)
    connection.signal(SIGNAL)
    writer.flush()
    assert transport.written == []
    connection.gate.release({})
    connection.resync(RESYNC)
    connection.signal(SIGNAL)
    writer.flush()
    assert transport.written == [RESYNC + SIGNAL]
