"""Promise: a password, its hash, or a token never appears where it does not belong."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from pymongo.database import Database

from auth_service.settings import AuthSettings
from auth_service.tokens.keys import FIRST_KEY
from shared.observability.logs import configure
from tests.support.auth_service import PASSWORD, AuthService, Starter

Stored = Database[dict[str, Any]]

KINDS = ("access", "refresh")


@pytest.fixture(params=["json", "console"])
def logged(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """All that the process logs at DEBUG."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    configure(request.param, "DEBUG", written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def test_no_secret_in_any_log_line_or_reply(
    logged: io.StringIO, settings: AuthSettings, start: Starter, stored: Stored, tmp_path: Path
) -> None:
    auth = await start(settings)
    wrong = "wr0ng-secret-password"
    await auth.sign_up("alice@example.com")
    await auth.sign_up("alice@example.com")
    await auth.sign_up("bob@example.com", password="sh0rt!")
    await auth.sign_up("bob@example.com", password=wrong * 5)
    await auth.sign_up("bob@example.com", password=[wrong])
    await auth.request("POST", "/login", data=f'{{"password": "{wrong}" "'.encode())
    await auth.log_in("alice@example.com", wrong)
    await auth.log_in("nobody@example.com", wrong)
    await auth.log_in(wrong, wrong)
    logged_in = await auth.log_in("alice@example.com")
    first = logged_in.body["refresh_token"]
    refreshed = await auth.refresh(first)
    second = refreshed.body["refresh_token"]
    await auth.refresh(second)
    assert (await auth.refresh(first)).status == 401
    token = logged_in.body["access_token"]
    await auth.get("/employees/me", token=token)
    await auth.get("/employees/alice@example.com", token=token)
    await auth.get("/employees/me", token=token[:-4] + "AAAA")
    for path in ("/readyz", "/metrics", "/openapi.json", "/.well-known/jwks.json"):
        assert (await auth.get(path)).status == 200

    (employee,) = stored.employees.find()
    (session,) = stored.sessions.find()
    pem = (tmp_path / "keys" / FIRST_KEY).read_text()
    lines = logged.getvalue()
    assert "session revoked" in lines
    assert lines.count("/login") >= 5
    tokens = [grant.body[f"{kind}_token"] for grant in (logged_in, refreshed) for kind in KINDS]
    secrets = [employee["password"], pem.splitlines()[1]]
    secrets += [bytes(digest).hex() for digest in (session["family"], *session["issued"])]
    for secret in [PASSWORD, wrong, "sh0rt!", *tokens, *secrets]:
        assert secret not in lines
    for reply in auth.sent:
        whole = reply.text + str(reply.headers)
        assert "$2b$" not in whole
        for secret in [PASSWORD, wrong, "sh0rt!", *secrets]:
            assert secret not in whole
    for reply in auth.sent:
        if reply not in (logged_in, refreshed):
            assert not any(token in reply.text for token in tokens)


async def test_tokens_are_stored_only_as_digests(auth: AuthService, stored: Stored) -> None:
    grant = await auth.member("alice@example.com")
    await auth.refresh(grant["refresh_token"])
    (session,) = stored.sessions.find()
    assert all(len(digest) == 32 for digest in (session["family"], session["used"]))
    assert all(len(digest) == 32 for digest in session["issued"])
    assert grant["refresh_token"] not in str(session)
