"""Times on the wire: RFC 3339 in UTC, in whole milliseconds as MongoDB stores them."""

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

from shared.errors import FieldProblem, InvalidInput

Time = Annotated[datetime, Meta(tz=True)]
"""A time that a service sends."""

GivenTime = Annotated[
    datetime,
    Meta(description="any offset; UTC if there is none", extra_json_schema={"format": "date-time"}),
]
"""A time that a client sends, for `in_utc`."""


def now() -> datetime:
    return _in_milliseconds(datetime.now(UTC))


def in_utc(time: datetime, path: str) -> datetime:
    """`time` in UTC, as it will be read back from the database.

    Raises `InvalidInput` if it is outside the years 1 to 9999 in UTC.
    """
    try:
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(
            "The time must be within the years 1 to 9999 in UTC.",
            problems=(FieldProblem(path, "is out of range in UTC"),),
        ) from None
    return _in_milliseconds(time)


def _in_milliseconds(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
