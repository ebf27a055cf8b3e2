"""The JSON bodies and queries of the auth service."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from auth_service.passwords import MAX_PASSWORD_BYTES, MIN_PASSWORD
from shared.times import Time

BYTES = f"at most {MAX_PASSWORD_BYTES} bytes of UTF-8"

Email = Annotated[str, Meta(max_length=320, description="in any case; kept in lower case")]
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


class ChangeProfile(Struct, frozen=True, forbid_unknown_fields=True):
    """A missing field stays as it is; null clears it."""

    name: Name | UnsetType = UNSET
    department: Label | UnsetType | None = UNSET
    role: Label | UnsetType | None = UNSET


class ChangePassword(Struct, frozen=True, forbid_unknown_fields=True):
    current_password: Password
    new_password: NewPassword


class DeleteAccount(Struct, frozen=True, forbid_unknown_fields=True):
    password: Password


class Refresh(Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: RefreshToken


class SessionView(Struct, frozen=True):
    """An open session; `current` marks the one that this request belongs to."""

    id: str
    user_agent: str
    address: str
    created_at: Time
    last_used_at: Time
    expires_at: Time
    current: bool


class SessionList(Struct, frozen=True):
    """Most recently used first."""

    sessions: tuple[SessionView, ...]


class Since(Struct, frozen=True, forbid_unknown_fields=True):
    since: (
        Annotated[
            datetime, Meta(tz=True, description="only what was revoked at this time or later")
        ]
        | None
    ) = None


class EmployeeView(Struct, frozen=True):
    """An employee as everyone who is logged in may see them."""

    id: str
    name: str
    email: str
    department: str | None
    role: str | None
    created_at: Time | None


class DirectoryQuery(Struct, frozen=True, forbid_unknown_fields=True):
    query: Annotated[
        str,
        Meta(max_length=100, description="beginning of a name, of a word of it, or of an address"),
    ] = ""
    department: Annotated[Label, Meta(description="the exact name of a department")] | None = None
    cursor: (
        Annotated[str, Meta(max_length=512, description="`next` of the previous page")] | None
    ) = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class EmployeePage(Struct, frozen=True):
    """In order of their addresses; `next` is null on the last page."""

    employees: tuple[EmployeeView, ...]
    next: str | None


class Grant(Struct, frozen=True, kw_only=True):
    """Tokens; `expires_in` is the access token's lifetime in seconds (RFC 6749, section 5.1)."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    refresh_token: str
    employee: EmployeeView
