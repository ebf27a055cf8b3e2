"""When a reference message was written, in any of the forms that were used for it."""

import math
from datetime import UTC, datetime

from bson import Timestamp
from bson.datetime_ms import DatetimeMS

from chat_service.log import milliseconds


def moment(value: object, latest: int) -> int | None:
    """Whole milliseconds since the epoch; None where `value` is no time from then to `latest`.

    Understands BSON dates, ISO 8601 (without an offset it is UTC) and milliseconds since the
    epoch, as a number or as its digits.
    """
    at = _milliseconds(value)
    return at if at is not None and 0 <= at <= latest else None


def _milliseconds(value: object) -> int | None:
    match value:
        case datetime():
            return milliseconds(value if value.tzinfo else value.replace(tzinfo=UTC))
        case bool():
            return None
        case int() | DatetimeMS():
            return int(value)
        case float():
            return round(value) if math.isfinite(value) else None
        case Timestamp():
            return value.time * 1000
        case str():
            return _written_out(value.strip())
        case _:
            return None


def _written_out(text: str) -> int | None:
    for read in (float, datetime.fromisoformat):
        try:
            return _milliseconds(read(text))
        except (ValueError, OverflowError):
            continue
    return None
