"""What the auth service takes and answers, as JSON."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

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


class ChangeProfile(Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays; null clears."""

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
    """An open session; `current` is the one whose access token asks."""

    id: str
    user_agent: str
    address: str
    created_at: Time
    last_used_at: Time
    expires_at: Time
    current: bool


class SessionList(Struct, frozen=True):
    """The last used first."""

    sessions: tuple[SessionView, ...]


class Since(Struct, frozen=True, forbid_unknown_fields=True):
    since: (
        Annotated[datetime, Meta(tz=True, description="only what was revoked then or later")] | None
    ) = None


class EmployeeView(Struct, frozen=True):
    """What everyone who is logged in may know of an employee."""

    id: str
    name: str
    email: str
    department: str | None
    role: str | None
    created_at: Time | None


class DirectoryQuery(Struct, frozen=True, forbid_unknown_fields=True):
    query: Annotated[
        str,
        Meta(max_length=100, description="how a name, a word of it, or an address begins"),
    ] = ""
    department: Annotated[Label, Meta(description="exactly this one")] | None = None
    cursor: Annotated[str, Meta(max_length=512, description="`next` of the page before")] | None = (
        None
    )
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class EmployeePage(Struct, frozen=True):
    """In order of their addresses; `next` is null at the end."""

    employees: tuple[EmployeeView, ...]
    next: str | None


class Grant(Struct, frozen=True, kw_only=True):
    """Tokens; `expires_in` is the access token's lifetime in seconds (RFC 6749, section 5.1)."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    refresh_token: str
    employee: EmployeeView
