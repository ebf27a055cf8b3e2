"""A transport that takes all that is written to it, as fast as its test says."""

import asyncio


class Recorder(asyncio.Transport):
    """`unread` is what its peer leaves in the buffer, in bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.unread = 0
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True
