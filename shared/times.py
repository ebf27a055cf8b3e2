"""Times on the wire: RFC 3339 in UTC. They are kept, and told, in whole milliseconds."""

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

from shared.errors import FieldProblem, InvalidInput

Time = Annotated[datetime, Meta(tz=True)]
"""One that a service tells."""

GivenTime = Annotated[
    datetime,
    Meta(
        description="any offset; without one it is UTC", extra_json_schema={"format": "date-time"}
    ),
]
"""One that a client tells, for `in_utc`."""


def in_utc(time: datetime, path: str) -> datetime:
    """`time` as it is told ever after: what is answered is what a database gives back later.

    Raises `InvalidInput` where it is out of the years 1 to 9999 in UTC.
    """
    try:
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(
            "A time is within the years 1 to 9999.",
            problems=(FieldProblem(path, "is out of range in UTC"),),
        ) from None
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
