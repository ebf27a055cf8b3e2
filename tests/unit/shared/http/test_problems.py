"""Errors as `application/problem+json` (RFC 9457)."""

import json
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import (
    FieldProblem,
    InvalidInput,
    NotFound,
    RateLimited,
    ServiceError,
    Unauthorized,
    error_types,
)
from shared.http.problems import CONTENT_TYPE, reply, retry_after_ms


def body(response: web.Response) -> dict[str, Any]:
    assert isinstance(response.body, bytes)
    parsed: dict[str, Any] = json.loads(response.body)
    return parsed


def test_a_problem_has_its_code_its_sentence_and_the_request_id() -> None:
    response = reply(NotFound("No such message."), "request-1")
    assert response.status == 404
    assert response.content_type == CONTENT_TYPE
    assert body(response) == {
        "title": "There is nothing here",
        "status": 404,
        "code": "not_found",
        "detail": "No such message.",
        "request_id": "request-1",
    }


def test_invalid_input_lists_the_fields() -> None:
    error = InvalidInput("Too short.", problems=(FieldProblem("$.password", "too short"),))
    assert body(reply(error, "r"))["errors"] == [{"path": "$.password", "detail": "too short"}]


def test_a_wait_is_told_in_seconds_and_in_milliseconds_and_never_too_short() -> None:
    response = reply(RateLimited("Slower, please.", retry_after=0.0301), "r")
    assert response.headers["Retry-After"] == "1"
    assert body(response)["retry_after_ms"] == 31


@given(st.floats(min_value=0, max_value=86_400))
def test_a_client_that_waits_as_told_has_waited_long_enough(seconds: float) -> None:
    assert retry_after_ms(seconds) >= seconds * 1000


def test_a_missing_token_is_told_which_scheme_to_use() -> None:
    response = reply(Unauthorized("Send a token."), "r")
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("kind", error_types(), ids=lambda kind: kind.code)
def test_every_error_has_a_reply_of_its_own(kind: type[ServiceError]) -> None:
    response = reply(kind("What happened."), "r")
    assert response.status == kind.status
    assert 400 <= kind.status < 600
    assert body(response)["code"] == kind.code
    assert body(response)["title"] == kind.title


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in error_types()]
    assert len(codes) == len(set(codes))
