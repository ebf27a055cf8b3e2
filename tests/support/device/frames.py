"""What passes between a device and the service, as the device records it."""

from typing import Any

from msgspec import Struct

Event = dict[str, Any]
"""A frame's JSON: an op of ours, or an event of the service."""

NO_CLOSE_FRAME = 1006


class Frame(Struct, frozen=True):
    """`at` is in seconds, on the clock of `time.monotonic`."""

    at: float


class Opened(Frame, frozen=True):
    """A WebSocket was opened; nobody is authenticated yet."""

    url: str


class Failed(Frame, frozen=True):
    """No WebSocket could be opened."""

    url: str
    why: str


class Sent(Frame, frozen=True):
    event: Event


class Received(Frame, frozen=True):
    event: Event


class Closed(Frame, frozen=True):
    """The WebSocket ended. `code` is 1006 where no close frame came."""

    code: int


AnyFrame = Opened | Failed | Sent | Received | Closed
