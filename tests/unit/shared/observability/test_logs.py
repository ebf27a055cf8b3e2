"""Logs: one JSON object a line, whoever logs and whatever is in it."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import structlog

from shared.observability.logs import Recurring, configure, get_logger


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_keyword_arguments_become_fields(stream: io.StringIO) -> None:
    configure("json", "INFO", stream)
    get_logger("example").info("login", employee="ada@example.com", id=UUID(int=1))
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "login",
        "level": "info",
        "logger": "example",
        "employee": "ada@example.com",
        "id": "00000000-0000-0000-0000-000000000001",
    }


def test_a_library_logs_in_the_same_form(stream: io.StringIO) -> None:
    configure("json", "INFO", stream)
    logging.getLogger("some.library").warning("lost %s", "connection")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == (
        "lost connection",
        "warning",
        "some.library",
    )


@pytest.mark.parametrize("value", ["\ud800", 2**80, {1: object}, b"\xff", float("nan")])
def test_no_value_loses_the_line(stream: io.StringIO, value: object) -> None:
    configure("json", "INFO", stream)
    get_logger("example").info("odd", value=value)
    (line,) = lines(stream)
    assert line["event"] == "odd"


def test_a_line_break_in_a_value_starts_no_new_line(stream: io.StringIO) -> None:
    configure("json", "INFO", stream)
    get_logger("example").info("odd", value='x\n{"event": "forged"}')
    assert [line["event"] for line in lines(stream)] == ["odd"]


def test_a_fault_is_logged_with_its_trace(stream: io.StringIO) -> None:
    configure("json", "INFO", stream)
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        get_logger("example").exception("unhandled")
    (line,) = lines(stream)
    assert "RuntimeError: broken" in line["exception"]


def test_what_is_below_the_level_is_not_logged(stream: io.StringIO) -> None:
    configure("json", "WARNING", stream)
    get_logger("example").info("quiet")
    logging.getLogger("some.library").info("quiet")
    assert lines(stream) == []


def test_the_console_is_for_people(stream: io.StringIO) -> None:
    configure("console", "INFO", stream)
    get_logger("example").info("login", employee="ada@example.com")
    assert "login" in stream.getvalue()
    assert "employee=ada@example.com" in stream.getvalue()


def test_a_warning_that_recurs_is_told_once_a_minute_with_its_number(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure("json", "INFO", stream)
    now = 1000.0
    monkeypatch.setattr("shared.observability.logs.time.monotonic", lambda: now)
    dropped = Recurring(get_logger("test"), "dropped")
    for now in (1000.0, 1001.0, 1059.0, 1060.0, 1061.0):  # noqa: B007 - the clock reads it
        dropped.warn(size=1)
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["count"]) for line in told] == [("dropped", 1), ("dropped", 3)]
    assert dropped.total == 5
