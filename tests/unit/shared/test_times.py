"""Times that clients tell become UTC, in whole milliseconds."""

from datetime import UTC

import msgspec
import pytest

from shared.errors import InvalidInput
from shared.times import GivenTime, Time, in_utc

read = msgspec.json.Decoder(GivenTime)


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("2025-03-14T12:00:00Z", "2025-03-14T12:00:00Z"),
        ("2025-03-14T12:00:00+01:00", "2025-03-14T11:00:00Z"),
        ("2025-03-14T00:30:00-01:00", "2025-03-14T01:30:00Z"),
        ("2025-03-14T12:00:00", "2025-03-14T12:00:00Z"),
        ("2025-03-14T12:00:00.123999Z", "2025-03-14T12:00:00.123000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_kept_as_the_same_moment_in_utc(told: str, kept: str) -> None:
    time = in_utc(read.decode(f'"{told}"'), "$.sent_at")
    assert time.tzinfo is UTC
    assert msgspec.json.encode(time) == f'"{kept}"'.encode()


@pytest.mark.parametrize("told", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-00:01"])
def test_a_moment_beyond_the_calendar_is_refused(told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        in_utc(read.decode(f'"{told}"'), "$.sent_at")
    assert [problem.path for problem in refused.value.problems] == ["$.sent_at"]


def test_both_kinds_are_documented_as_rfc_3339() -> None:
    for kind in (Time, GivenTime):
        schema = msgspec.json.schema(kind)
        assert (schema["type"], schema["format"]) == ("string", "date-time")
