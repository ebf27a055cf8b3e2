"""How many large replies one caller may leave unread. Promise: a hostile client hurts only
itself."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.http import concurrency as turns
from shared.http.addresses import PROXIES, Proxies
from shared.http.endpoints import Endpoint, register
from shared.http.middleware import REQUEST_LOG, edge
from shared.http.request_log import RequestLog
from shared.observability.metrics import METRICS, HttpMetrics
from shared.tokens import VERIFIER, Claims, TokenVerifier

AT_ONCE = 2
LARGE = 20_000_000
"""Bytes: more than the kernels hold for a connection."""


class Verifier:
    """Believes everybody."""

    def cached(self, token: str) -> Claims:
        return cast(Claims, SimpleNamespace(sub=token))


async def large(_request: web.Request, *, caller: Claims) -> web.Response:
    return web.Response(body=b"x" * LARGE)


async def small(_request: web.Request, *, caller: Claims) -> web.Response:
    return web.Response()


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    app = web.Application(middlewares=[edge])
    app[METRICS] = HttpMetrics()
    app[REQUEST_LOG] = RequestLog()
    app[PROXIES] = Proxies(())
    app[VERIFIER] = cast(TokenVerifier, Verifier())
    endpoints = [
        Endpoint(
            method="GET",
            path=path,
            handler=handler,
            summary=path,
            replies={200: None},
            at_once=AT_ONCE,
        )
        for path, handler in (("/large", large), ("/small", small))
    ]
    register(app, endpoints, ())
    server = TestServer(app)
    async with server:
        yield server


def person(server: TestServer, name: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(server.make_url("/"), headers={"Authorization": f"Bearer {name}"})


async def test_who_does_not_read_waits_and_nobody_else(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with person(server, "eve") as eve, person(server, "ann") as ann:
        unread = [await eve.get("/large") for _ in range(AT_ONCE)]
        waiting = asyncio.create_task(eve.get("/large"))
        async with ann.get("/large") as reply:
            assert len(await reply.read()) == LARGE
        assert not waiting.done()
        monkeypatch.setattr(turns, "TURN_SECONDS", 0.05)
        async with eve.get("/large") as reply:
            assert (reply.status, (await reply.json())["code"]) == (429, "rate_limited")
        assert not waiting.done()
        await unread[0].read()
        third = await waiting
        assert third.status == 200
        unread[1].close()
        third.close()
        async with eve.get("/large") as reply:
            assert reply.status == 200


async def test_a_turn_ends_with_its_request_and_not_with_its_connection(
    server: TestServer,
) -> None:
    async with person(server, "ann") as ann:
        connections = [ann.get("/small") for _ in range(10 * AT_ONCE)]
        assert [reply.status for reply in await asyncio.gather(*connections)] == [200] * 20
        for _ in range(10 * AT_ONCE):
            async with ann.get("/small") as reply:
                assert reply.status == 200
