"""What the WebSocket endpoint counts of itself; `metrics.py` reads it."""

from msgspec import Struct


class SocketCounts(Struct):
    """Since the start: sockets that were `opened`, and cut off because they were `slow` to read or
    sent `floods` of control frames; `resumes`, and the entries that these sent (`caught_up`)."""

    opened: int = 0
    slow: int = 0
    floods: int = 0
    resumes: int = 0
    caught_up: int = 0
