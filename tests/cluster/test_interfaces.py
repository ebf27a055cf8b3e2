"""What the interface documents say is so: random requests find no other reply, and no fault."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok

from tests.support.system import Person, Service, System

EXAMPLES = 40
"""Of each operation, valid and invalid ones: half a minute for both services."""
EXCEPTIONS = {
    "positive_data_acceptance": "a schema cannot say that an address exists, that a text shows"
    " something, that a cursor came from a page, or that GET /ws needs an upgrade",
}
SEVERAL = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def checks() -> list[Any]:
    """All that schemathesis has, but for the exceptions."""
    return [check for check in CHECKS.get_all() if check.__name__ not in EXCEPTIONS]


def try_out(service: Service, caller: Person, operation: Any, http: requests.Session) -> set[int]:
    """Random valid and invalid requests, as `caller`; the statuses that were answered."""
    statuses = set()

    for mode in schemathesis.GenerationMode:

        @SEVERAL
        @given(case=operation.as_strategy(generation_mode=mode))
        def call(case: Any) -> None:
            reply = case.call(
                base_url=service.url, headers=caller.headers, session=http, timeout=10
            )
            statuses.add(reply.status_code)
            case.validate_response(reply, checks=checks())

        with suppress(Unsatisfiable):  # nothing about a request without parameters can be invalid
            call()
    return statuses


@pytest.mark.parametrize("name", ["auth", "chat"])
def test_random_requests_find_nothing_undocumented(
    replicated: System, http: requests.Session, name: str
) -> None:
    service = replicated.auth if name == "auth" else replicated.chats[0]
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    tried = 0
    statuses: set[int] = set()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found.err()
        caller = asyncio.run(replicated.person("random"))  # some operations end their session
        statuses |= try_out(service, caller, found.ok(), http)
        tried += 1
    assert tried >= 10
    assert {check.__name__ for check in checks()} >= {"ignored_auth", "negative_data_rejection"}
    assert statuses >= {200, 401, 404, 422}
