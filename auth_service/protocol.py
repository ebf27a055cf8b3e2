"""What the auth service takes and answers, as JSON."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from auth_service.passwords import MAX_PASSWORD_BYTES, MIN_PASSWORD
from shared.times import Time

BYTES = f"at most {MAX_PASSWORD_BYTES} bytes of UTF-8"

Email = Annotated[str, Meta(max_length=320, description="any case; kept in lower case")]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Label = Annotated[str, Meta(max_length=100)]
NewPassword = Annotated[str, Meta(min_length=MIN_PASSWORD, description=BYTES)]
Password = Annotated[str, Meta(description=BYTES)]
RefreshToken = Annotated[str, Meta(max_length=256)]


class SignUp(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    email: Email
    password: NewPassword
    department: Label | None = None
    role: Label | None = None


class LogIn(Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    password: Password


class Refresh(Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: RefreshToken


class EmployeeView(Struct, frozen=True):
    """What everyone who is logged in may know of an employee."""

    id: str
    name: str
    email: str
    department: str | None
    role: str | None
    created_at: Time | None


class Grant(Struct, frozen=True, kw_only=True):
    """Tokens; `expires_in` is the access token's lifetime in seconds (RFC 6749, section 5.1)."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    refresh_token: str
    employee: EmployeeView
