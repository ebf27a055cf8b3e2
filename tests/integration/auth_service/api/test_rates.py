"""Requests with an access token: so many of an employee; the way to the next token stays open."""

import re
from typing import Any

import msgspec
import pytest

from auth_service.settings import AuthSettings
from tests.support.auth_service import AuthService, Reply, Starter

BURST = 5
ALICE, BOB = "alice@example.com", "bob@example.com"


@pytest.fixture
def settings(settings: AuthSettings) -> AuthSettings:
    return msgspec.structs.replace(
        settings, rate_limits=True, request_rate=0.1, request_burst=BURST
    )


async def use_up(auth: AuthService, grant: Any) -> None:
    for _ in range(BURST):
        assert (await auth.get("/employees/me", token=grant["access_token"])).status == 200


def assert_refused(reply: Reply) -> None:
    assert (reply.status, reply.code) == (429, "rate_limited"), reply
    assert 1 <= int(reply.headers["Retry-After"]) <= 10


async def test_an_employee_who_sends_too_much_waits_and_nobody_else(auth: AuthService) -> None:
    alice, bob = await auth.member(ALICE), await auth.member(BOB)
    await use_up(auth, alice)
    assert_refused(await auth.get("/employees/me", token=alice["access_token"]))
    again = (await auth.log_in(ALICE)).body  # another session, the same employee
    assert_refused(await auth.get("/employees/me", token=again["access_token"]))
    assert (await auth.get("/employees/me", token=bob["access_token"])).status == 200


async def test_tokens_and_keys_are_there_for_who_has_to_wait(auth: AuthService) -> None:
    alice = await auth.member(ALICE)
    await use_up(auth, alice)
    for _ in range(2 * BURST):
        assert (await auth.log_in(ALICE)).status == 200
        alice = (await auth.refresh(alice["refresh_token"])).body
        for path in ("/.well-known/jwks.json", "/.well-known/revoked-sessions", "/readyz"):
            assert (await auth.get(path)).status == 200
    assert_refused(await auth.get("/employees/me", token=alice["access_token"]))


async def test_every_request_with_a_token_counts_and_says_so_in_its_documentation(
    auth: AuthService,
) -> None:
    alice = await auth.member(ALICE)
    await use_up(auth, alice)
    paths = (await auth.get("/openapi.json")).body["paths"]
    limited = 0
    for path, operations in paths.items():
        for method, operation in operations.items():
            if "security" in operation:
                limited += 1
                assert "Retry-After" in operation["responses"]["429"]["headers"], (method, path)
                filled = re.sub(r"{\w+}", "x", path)
                assert_refused(
                    await auth.request(method.upper(), filled, token=alice["access_token"])
                )
    assert limited == 10


@pytest.mark.usefixtures("stored")
async def test_without_rate_limits_nobody_waits(settings: AuthSettings, start: Starter) -> None:
    auth = await start(msgspec.structs.replace(settings, rate_limits=False))
    alice = await auth.member(ALICE)
    for _ in range(2):
        await use_up(auth, alice)
