"""Signing keys fetched from the auth service: found, kept, and never a reason to wait twice."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared import jwks
from shared.errors import Unavailable
from shared.http.endpoints import json_reply
from shared.jwks import REFETCH_SECONDS, REFRESH_SECONDS, Jwks, RemoteKeys, to_jwk

FIRST = Ed25519PrivateKey.generate().public_key()
SECOND = Ed25519PrivateKey.generate().public_key()


class Clock:
    """Stands in for the module `time`: moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class AuthService:
    """Answers with `keys`, counts how often, and can be down, silent or wrong."""

    def __init__(self) -> None:
        self.keys = {"first": FIRST}
        self.fetches = 0
        self.down = False
        self.nonsense: bytes | None = None
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()

    async def jwks(self, _request: web.Request) -> web.Response:
        self.fetches += 1
        self.asked.set()
        await self.answers.wait()
        if self.down:
            return web.Response(status=503)
        if self.nonsense is not None:
            return web.Response(body=self.nonsense)
        return json_reply(Jwks(tuple(to_jwk(kid, key) for kid, key in self.keys.items())))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(jwks, "time", clock)
    return clock


@pytest.fixture
async def auth() -> AuthService:
    return AuthService()


@pytest.fixture
async def keys(auth: AuthService, clock: Clock) -> AsyncIterator[RemoteKeys]:
    app = web.Application()
    app.router.add_get("/.well-known/jwks.json", auth.jwks)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        yield RemoteKeys(http, str(server.make_url("")).rstrip("/"))
        auth.answers.set()


async def test_keys_are_fetched_once_and_kept(keys: RemoteKeys, auth: AuthService) -> None:
    for _ in range(3):
        assert await keys.find("first") == FIRST
    assert auth.fetches == 1
    assert await keys.check() is None


async def test_unknown_keys_of_strangers_cost_one_fetch(
    keys: RemoteKeys, auth: AuthService, clock: Clock
) -> None:
    await keys.find("first")
    clock.now += REFETCH_SECONDS
    assert await asyncio.gather(*(keys.find(f"made-up-{i}") for i in range(50))) == [None] * 50
    assert auth.fetches == 2


async def test_a_new_key_is_found_and_a_retired_one_forgotten(
    keys: RemoteKeys, auth: AuthService, clock: Clock
) -> None:
    await keys.find("first")
    auth.keys = {"second": SECOND}
    clock.now += REFETCH_SECONDS
    assert await keys.find("second") == SECOND
    assert await keys.find("first") is None


async def test_a_retired_key_is_noticed_without_a_new_one(
    keys: RemoteKeys, auth: AuthService, clock: Clock
) -> None:
    await keys.find("first")
    auth.keys = {"second": SECOND}
    clock.now += REFRESH_SECONDS + 1
    assert await keys.find("first") is None


async def test_without_any_key_nobody_can_tell(
    keys: RemoteKeys, auth: AuthService, clock: Clock
) -> None:
    auth.down = True
    with pytest.raises(Unavailable):
        await keys.find("first")
    assert "no signing keys" in str(await keys.check())
    auth.down = False
    clock.now += 1
    assert await keys.find("first") == FIRST


async def test_known_keys_hold_while_the_auth_service_is_down(
    keys: RemoteKeys, auth: AuthService, clock: Clock
) -> None:
    await keys.find("first")
    auth.down = True
    clock.now += REFRESH_SECONDS + 1
    assert await keys.find("first") == FIRST


async def test_nobody_is_turned_away_for_a_key_that_cannot_be_fetched_now(
    keys: RemoteKeys, auth: AuthService, clock: Clock
) -> None:
    await keys.find("first")
    auth.down = True
    clock.now += REFETCH_SECONDS + 1
    with pytest.raises(Unavailable):
        await keys.find("perhaps a new one")


async def test_a_silent_auth_service_keeps_one_caller_waiting_and_no_other(
    keys: RemoteKeys, auth: AuthService, clock: Clock
) -> None:
    await keys.find("first")
    auth.answers.clear()
    auth.asked.clear()
    clock.now += REFRESH_SECONDS + 1
    waiting = asyncio.create_task(keys.find("first"))
    async with asyncio.timeout(10):
        await auth.asked.wait()
        assert await keys.find("first") == FIRST
        assert not waiting.done()
        auth.answers.set()
        assert await waiting == FIRST


@pytest.mark.parametrize("body", [b"", b"{}", b'{"keys": [{"kid": "a", "x": "AA", "kty": "RSA"}]}'])
async def test_an_answer_that_is_no_key_set_changes_nothing(
    keys: RemoteKeys, auth: AuthService, clock: Clock, body: bytes
) -> None:
    await keys.find("first")
    auth.nonsense = body
    clock.now += REFRESH_SECONDS + 1
    assert await keys.find("first") == FIRST
