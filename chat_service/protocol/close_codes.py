"""The codes that the server closes a socket with."""

from enum import IntEnum
from typing import Self


class CloseCode(IntEnum):
    """RFC 6455 codes, and ours: 4000-4499 reconnect, 4500-4999 do not. `meaning` is for people."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    TOO_BIG = 1009, "A frame was above `limits.frame_bytes`; reconnect, but do not send it again."
    RESTART = 1012, "This instance stops; `going_away` told how long to wait."
    TRY_AGAIN = 1013, "This instance is full, or cannot check tokens for the moment."
    SLOW_CONSUMER = (
        4001,
        "Too much waited for a peer that does not read: it is cut off, and may see 1006 instead.",
    )
    TOKEN_EXPIRED = 4002, "The access token expired and no other came: reconnect with a new one."
    AUTH_TIMEOUT = 4003, "The first frame, `auth`, did not come in time."
    UNAUTHORIZED = (
        4501,
        "The first frame was no `auth` with a valid access token: try once with a new one, "
        "then log in again.",
    )
    SESSION_REVOKED = 4502, "The session was ended: log in again."
    PROTOCOL_VIOLATION = 4503, "A binary frame; every frame is text."
    TOO_MANY_CONNECTIONS = 4504, "The employee has as many sockets open as one may have."

    @property
    def reconnect(self) -> bool:
        """Whether a client should connect again by itself."""
        return self < 4500
