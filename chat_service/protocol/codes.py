"""Why the server closes a socket, and which errors an `error` event may report."""

from enum import IntEnum
from typing import Self

from shared import errors


class CloseCode(IntEnum):
    """Codes of RFC 6455, and our own: a client reconnects after 4000-4499, but not after 4500-4999.
    `meaning` is for people."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    PROTOCOL_ERROR = 1002, "A frame was not as RFC 6455 says, for instance without a mask."
    INVALID_TEXT = 1007, "A frame was not UTF-8: reconnect, but do not send it again."
    FLOOD = (
        1008,
        "Too many pings, pongs or empty fragments. The connection is cut off, so the client may see"
        " 1006 instead.",
    )
    TOO_BIG = 1009, "A frame exceeded `limits.frame_bytes`: reconnect, but do not send it again."
    RESTART = 1012, "This instance is stopping: reconnect after the delay given in `going_away`."
    TRY_AGAIN = 1013, "This instance is full, or cannot verify tokens at the moment."
    SLOW_CONSUMER = (
        4001,
        "Too much data was waiting because the client did not read. The connection is cut off, so "
        "the client may see 1006 instead.",
    )
    TOKEN_EXPIRED = 4002, "The access token expired and was not replaced: reconnect with a new one."
    AUTH_TIMEOUT = 4003, "The first frame, `auth`, did not arrive in time."
    UNAUTHORIZED = (
        4501,
        "The first frame was not an `auth` with a valid access token: try once with a new token, "
        "then log in again.",
    )
    SESSION_REVOKED = 4502, "The session was ended: log in again."
    PROTOCOL_VIOLATION = 4503, "The client sent a binary frame; every frame must be text."
    TOO_MANY_CONNECTIONS = 4504, "The employee already has the maximum number of open sockets."

    @property
    def reconnect(self) -> bool:
        """Whether a client should reconnect by itself."""
        return self < 4500


ERRORS: tuple[type[errors.ServiceError], ...] = (
    errors.MalformedBody,
    errors.InvalidInput,
    errors.Unauthorized,
    errors.Forbidden,
    errors.NotSender,
    errors.NotParticipant,
    errors.UnknownEmployee,
    errors.UnknownMessage,
    errors.IdConflict,
    errors.MessageDeleted,
    errors.RateLimited,
    errors.InternalError,
    errors.TooManyConnections,
    errors.Unavailable,
)
"""What an `error` event may report, with the codes that the REST API uses too."""
