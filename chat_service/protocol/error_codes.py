"""The errors that an `error` event may report, with the codes that the REST API uses too."""

from shared.errors import (
    Forbidden,
    IdConflict,
    InternalError,
    InvalidInput,
    MalformedBody,
    MessageDeleted,
    NotParticipant,
    NotSender,
    RateLimited,
    ServiceError,
    TooManyConnections,
    Unauthorized,
    Unavailable,
    UnknownEmployee,
    UnknownMessage,
)

ERRORS: tuple[type[ServiceError], ...] = (
    MalformedBody,
    InvalidInput,
    Unauthorized,
    Forbidden,
    NotSender,
    NotParticipant,
    UnknownEmployee,
    UnknownMessage,
    IdConflict,
    MessageDeleted,
    RateLimited,
    InternalError,
    TooManyConnections,
    Unavailable,
)
"""What an `error` may say."""
