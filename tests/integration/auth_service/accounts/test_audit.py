"""The audit log: who did what to an account, from where; and never a secret."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import structlog

from auth_service.settings import AuthSettings
from shared.observability.logs import configure
from tests.support.auth_service import PASSWORD, Starter

ALICE = "alice@example.com"
NEW = "another fine horse"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged where only errors are wanted."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure("json", "ERROR", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def test_what_happens_to_an_account_is_written_down(
    written: io.StringIO, settings: AuthSettings, start: Starter
) -> None:
    auth = await start(msgspec.structs.replace(settings, trusted_proxies=("127.0.0.1",)))
    await auth.sign_up(ALICE)
    await auth.log_in(ALICE, "wr0ng-secret", address="203.0.113.9")
    await auth.log_in("wr0ng-secret@example.com", "x")
    first = (await auth.log_in(ALICE)).body
    second = (await auth.log_in(ALICE)).body
    token = first["access_token"]
    renewed = (await auth.refresh(second["refresh_token"])).body["refresh_token"]
    await auth.refresh(renewed)
    await auth.refresh(second["refresh_token"])
    for current in ("wr0ng-secret", PASSWORD):
        body = {"current_password": current, "new_password": NEW}
        await auth.request("PUT", "/employees/me/password", body=body, token=token)
    await auth.request("PATCH", "/employees/me", body={"role": "Chief"}, token=token)
    third = (await auth.log_in(ALICE, NEW)).body["access_token"]
    await auth.request("POST", "/logout", token=third, headers={"X-Request-ID": "the-last-one"})
    await auth.request("DELETE", "/employees/me", body={"password": NEW}, token=token)

    lines: list[dict[str, Any]] = [json.loads(line) for line in written.getvalue().splitlines()]
    entries = [line for line in lines if line["logger"] == "audit"]
    assert [entry["event"] for entry in entries] == [
        "signed up",
        "login refused",
        "login refused",
        "logged in",
        "logged in",
        "refreshed",
        "refreshed",
        "a used refresh token: session revoked",
        "password refused",
        "password changed",
        "revoked",
        "profile changed",
        "logged in",
        "revoked",
        "account deletion begun",
        "account deleted",
    ]
    assert all(entry["request_id"] and entry["timestamp"] for entry in entries)
    assert entries[1]["remote"] == "203.0.113.9"
    assert (entries[1]["outcome"], entries[2]["outcome"]) == ("wrong_password", "unknown_email")
    assert entries[2]["employee"] is None
    assert {entry["employee"] for entry in entries} == {first["employee"]["id"], None}
    assert (entries[13]["reason"], entries[13]["request_id"]) == ("logout", "the-last-one")
    for secret in (PASSWORD, NEW, "wr0ng-secret", token, first["refresh_token"], "alice@", "$2b$"):
        assert secret not in written.getvalue()
