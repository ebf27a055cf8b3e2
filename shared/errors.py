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
        self.detail = detail
        self.problems = problems
        self.retry_after = retry_after


class InvalidInput(ServiceError):
    code = "invalid_input"
    status = 422
    title = "The input is not valid"


class MalformedBody(ServiceError):
    code = "malformed_body"
    status = 400
    title = "The body is not JSON"


class MalformedRequest(ServiceError):
    code = "malformed_request"
    status = 400
    title = "This is not a valid HTTP request"


class BodyTimeout(ServiceError):
    code = "body_timeout"
    status = 408
    title = "The body did not arrive in time"


class HeadersTooLarge(ServiceError):
    code = "headers_too_large"
    status = 431
    title = "The headers are too large"


class BodyTooLarge(ServiceError):
    code = "body_too_large"
    status = 413
    title = "The body is too large"


class UnsupportedMediaType(ServiceError):
    code = "unsupported_media_type"
    status = 415
    title = "The body must be application/json"


class Unauthorized(ServiceError):
    code = "unauthorized"
    status = 401
    title = "A valid access token is required"


class InvalidCredentials(ServiceError):
    code = "invalid_credentials"
    status = 401
    title = "The credentials are not valid"


class Forbidden(ServiceError):
    code = "forbidden"
    status = 403
    title = "This is not allowed"


class SignUpClosed(ServiceError):
    code = "sign_up_closed"
    status = 403
    title = "Signing up is closed, or closed to this address"


class SenderMismatch(ServiceError):
    code = "sender_mismatch"
    status = 403
    title = "The sender must be the caller"


class NotSender(ServiceError):
    code = "not_sender"
    status = 403
    title = "Only the sender may change a message"


class NotParticipant(ServiceError):
    code = "not_participant"
    status = 403
    title = "The caller is not a participant of this conversation"


class ForeignOrigin(ServiceError):
    code = "foreign_origin"
    status = 403
    title = "This origin may not connect"


class NotFound(ServiceError):
    code = "not_found"
    status = 404
    title = "There is nothing here"


class UnknownEmployee(ServiceError):
    code = "unknown_employee"
    status = 404
    title = "There is no such employee"


class UnknownSession(ServiceError):
    code = "unknown_session"
    status = 404
    title = "There is no such session"


class UnknownMessage(ServiceError):
    code = "unknown_message"
    status = 404
    title = "There is no such message"


class MethodNotAllowed(ServiceError):
    code = "method_not_allowed"
    status = 405
    title = "The method is not allowed here"


class EmailTaken(ServiceError):
    code = "email_taken"
    status = 409
    title = "An employee with this email exists"


class IdConflict(ServiceError):
    code = "id_conflict"
    status = 409
    title = "The id is already in use for something else"


class MessageDeleted(ServiceError):
    code = "message_deleted"
    status = 409
    title = "The message is deleted"


class RateLimited(ServiceError):
    code = "rate_limited"
    status = 429
    title = "Too many requests"


class InternalError(ServiceError):
    code = "internal_error"
    status = 500
    title = "Something went wrong on the server"


class TooManyConnections(ServiceError):
    code = "too_many_connections"
    status = 503
    title = "There are too many connections"


class Unavailable(ServiceError):
    """A dependency is down or busy. Nothing was acknowledged; the same may be sent again."""

    code = "unavailable"
    status = 503
    title = "The service cannot do this right now"


def error_types() -> list[type[ServiceError]]:
    """Every kind of error in order of status, for documentation."""
    return sorted(ServiceError.__subclasses__(), key=lambda kind: (kind.status, kind.code))
