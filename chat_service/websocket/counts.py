"""What the WebSocket endpoint counts of itself; `metrics.py` reads it."""

from msgspec import Struct


class SocketCounts(Struct):
    """Of sockets. `slow` ones were cut off because they did not read; `caught_up` are entries that
    resumes sent."""

    opened: int = 0
    slow: int = 0
    resumes: int = 0
    caught_up: int = 0
