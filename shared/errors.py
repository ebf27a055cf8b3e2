"""The errors that clients see, each with a stable code; the same over HTTP and WebSocket.

Raise one where the fact is known. Do not raise one for a bug: an unexpected exception is logged and
becomes `internal_error`, which tells the client nothing.
"""

from typing import ClassVar

from msgspec import Struct


class FieldProblem(Struct, frozen=True):
    """One thing wrong with the input: `path` is a JSONPath such as `$.message.text`."""

    path: str
    detail: str


class ServiceError(Exception):
    """A request or op that failed.

    `code` is stable and for programs, `detail` is a sentence for people. `retry_after` is how many
    seconds a client should wait before it sends the same again.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]

    def __init__(
        self,
        detail: str,
        *,
        problems: tuple[FieldProblem, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        # It may quote a header, in which aiohttp keeps bytes that are not UTF-8 as surrogates.
        self.detail = detail.encode(errors="backslashreplace").decode()
        self.problems = problems
        self.retry_after = retry_after


class InvalidInput(ServiceError):
    code, status, title = "invalid_input", 422, "The input is not valid"


class MalformedBody(ServiceError):
    code, status, title = "malformed_body", 400, "The body is not JSON"


class MalformedRequest(ServiceError):
    code, status, title = "malformed_request", 400, "This is not a valid HTTP request"


class BodyTimeout(ServiceError):
    code, status, title = "body_timeout", 408, "The body did not arrive in time"


class HeadersTooLarge(ServiceError):
    code, status, title = "headers_too_large", 431, "The headers are too large"


class BodyTooLarge(ServiceError):
    code, status, title = "body_too_large", 413, "The body is too large"


class UnsupportedMediaType(ServiceError):
    code, status, title = "unsupported_media_type", 415, "The body must be application/json"


class UpgradeRequired(ServiceError):
    code, status, title = "upgrade_required", 426, "This path is for WebSockets"


class Unauthorized(ServiceError):
    code, status, title = "unauthorized", 401, "A valid access token is required"


class InvalidCredentials(ServiceError):
    code, status, title = "invalid_credentials", 401, "The credentials are not valid"


class Forbidden(ServiceError):
    code, status, title = "forbidden", 403, "This is not allowed"


class SignUpClosed(ServiceError):
    code, status, title = "sign_up_closed", 403, "Signing up is closed, or closed to this address"


class SenderMismatch(ServiceError):
    code, status, title = "sender_mismatch", 403, "The sender must be the caller"


class NotSender(ServiceError):
    code, status, title = "not_sender", 403, "Only the sender may change a message"


class NotParticipant(ServiceError):
    code, status, title = (
        "not_participant",
        403,
        "The caller is not part of this conversation",
    )


class ForeignOrigin(ServiceError):
    code, status, title = "foreign_origin", 403, "This origin may not connect"


class NotFound(ServiceError):
    code, status, title = "not_found", 404, "There is nothing here"


class UnknownEmployee(ServiceError):
    code, status, title = "unknown_employee", 404, "There is no such employee"


class UnknownSession(ServiceError):
    code, status, title = "unknown_session", 404, "There is no such session"


class UnknownMessage(ServiceError):
    code, status, title = "unknown_message", 404, "There is no such message"


class MethodNotAllowed(ServiceError):
    code, status, title = "method_not_allowed", 405, "The method is not allowed here"


class EmailTaken(ServiceError):
    code, status, title = "email_taken", 409, "An employee with this email exists"


class IdConflict(ServiceError):
    code, status, title = "id_conflict", 409, "The id is already in use for something else"


class MessageDeleted(ServiceError):
    code, status, title = "message_deleted", 409, "The message is deleted"


class RateLimited(ServiceError):
    code, status, title = "rate_limited", 429, "Too many requests"


class InternalError(ServiceError):
    code, status, title = "internal_error", 500, "Something went wrong on the server"


class TooManyConnections(ServiceError):
    code, status, title = "too_many_connections", 503, "There are too many connections"


class Unavailable(ServiceError):
    """A dependency is down or busy. Nothing was acknowledged; the same may be sent again."""

    code, status, title = "unavailable", 503, "The service cannot do this right now"


def error_types() -> list[type[ServiceError]]:
    """Every kind of error in order of status, for documentation."""
    return sorted(ServiceError.__subclasses__(), key=lambda kind: (kind.status, kind.code))
