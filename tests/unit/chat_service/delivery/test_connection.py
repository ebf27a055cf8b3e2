"""What one socket is sent, and when."""

import asyncio

from chat_service.delivery.connection import Bounds, Connection, Flusher
from shared.tokens import Claims

CLAIMS = Claims("iss", "aud", "sub", "ann@example.org", "Ann", "sid", "jti", 0, 2**31)
RESYNC = b"resync"


class Recorder(asyncio.Transport):
    """Takes all that is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False


async def test_who_was_not_welcomed_yet_is_told_to_resume_by_the_welcome_alone() -> None:
    transport = Recorder()
    bounds = Bounds(write_buffer=1000, in_flight=1)
    connection = Connection(transport, CLAIMS, "token", bounds, Flusher())
    connection.resync(RESYNC)
    connection.flush()
    assert transport.written == []
    connection.release({})
    connection.resync(RESYNC)
    connection.flush()
    assert transport.written == [RESYNC]
