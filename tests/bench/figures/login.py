"""Logging in: how much of bcrypt's own speed, whom it holds up, and what its time tells."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import bcrypt
import msgspec
from msgspec import Struct

from auth_service.settings import AuthSettings
from tests.bench.http_load import HttpConnection, HttpError, Reply, connections, request
from tests.bench.report import Goal, Line, percentile
from tests.bench.stage import Stage, all_settings

ROUNDS = 3
SECONDS = 3.5
WAITING = 2
"""Logins that wait for a thread, beside those that have one."""
OTHERS_PER_SECOND = 50
TIMINGS = 9
PASSWORD = "correct horse battery"
EMAIL = "bench.login@example.org"


class _Grant(Struct):
    access_token: str


async def login(stage: Stage) -> list[Line]:
    """bcrypt alone, then logins, in turn; in threads as many as the service has."""
    settings = all_settings(AuthSettings)
    workers, cost = int(settings["BCRYPT_WORKERS"]), int(settings["BCRYPT_COST"])
    alone, through, ratios, others = [], [], [], []
    auth = stage.auth
    async with connections(auth.url, workers + WAITING + 1) as (other, *askers):
        token = await _sign_up(other)
        me = request("GET", "/employees/me", {"Authorization": f"Bearer {token}"})
        for _ in range(ROUNDS):
            alone.append(await asyncio.to_thread(_bcrypt_rate, workers, cost))
            rate, latencies = await _logins(askers, other, me, workers)
            through.append(rate)
            ratios.append(rate / alone[-1])
            others.append(percentile(latencies, 0.99) * 1000)
        gaps = await _timing_gaps(other)
    return [
        Line(
            "login_over_bcrypt",
            "logins a second / what bcrypt alone allows",
            "×",
            ratios,
            Goal(at_least=0.95),
        ),
        Line("login_rate", "logins a second", "/s", through),
        Line("bcrypt_rate", f"bcrypt alone, cost {cost}, {workers} threads", "/s", alone),
        Line(
            "login_others_p99_ms",
            "GET /employees/me meanwhile, 50/s: p99",
            "ms",
            others,
            Goal(at_most=50),
        ),
        Line("login_timing_gap_ms", "unknown email − wrong password", "ms", gaps),
    ]


def _bcrypt_rate(workers: int, cost: int) -> float:
    """Passwords a second that so many threads check."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(cost))

    def work() -> float:
        checked, started = 0, time.perf_counter()
        while time.perf_counter() < started + SECONDS:
            bcrypt.checkpw(PASSWORD.encode(), hashed)
            checked += 1
        return checked / (time.perf_counter() - started)

    with ThreadPoolExecutor(workers) as threads:
        return sum(done.result() for done in [threads.submit(work) for _ in range(workers)])


async def _logins(
    askers: list[HttpConnection], other: HttpConnection, me: bytes, workers: int
) -> tuple[float, list[float]]:
    """Logins a second, and how long other requests took meanwhile, ascending."""
    end = time.perf_counter() + SECONDS
    completed: list[float] = []

    async def ask(connection: HttpConnection) -> None:
        while time.perf_counter() < end:
            _expect(await connection.fetch(_login(EMAIL, PASSWORD)), 200)
            completed.append(time.perf_counter())

    latencies: list[float] = []

    async def ask_for_others() -> None:
        started = time.perf_counter()
        for number in range(int(SECONDS * OTHERS_PER_SECOND)):
            due = started + number / OTHERS_PER_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            _expect(await other.fetch(me), 200)
            latencies.append(time.perf_counter() - due)  # the one before may have held it up

    async with asyncio.TaskGroup() as group:
        for connection in askers:
            group.create_task(ask(connection))
        group.create_task(ask_for_others())
    # The threads end their work in step: from the end of the first step to that of the last.
    within = [moment for moment in completed if moment <= end]
    if len(within) <= workers:
        raise ValueError(f"{len(within)} logins ended in {SECONDS} s: too few to tell a rate")
    rate = (len(within) - workers) / (within[-1] - within[workers - 1])
    return rate, sorted(latencies)


async def _timing_gaps(connection: HttpConnection) -> list[float]:
    """Milliseconds that a login with an unknown address takes longer than with a wrong password."""
    gaps = []
    for _ in range(TIMINGS):
        took = []
        for email in ("bench.nobody@example.org", EMAIL):
            started = time.perf_counter()
            _expect(await connection.fetch(_login(email, "wrong horse battery")), 401)
            took.append(time.perf_counter() - started)
        gaps.append((took[0] - took[1]) * 1000)
    return gaps


async def _sign_up(connection: HttpConnection) -> str:
    """An access token of somebody new."""
    body = msgspec.json.encode({"name": "Bench", "email": EMAIL, "password": PASSWORD})
    _expect(await connection.fetch(request("POST", "/employees", {}, body)), 201)
    granted = _expect(await connection.fetch(_login(EMAIL, PASSWORD)), 200)
    return msgspec.json.decode(granted.body, type=_Grant).access_token


def _login(email: str, password: str) -> bytes:
    body = msgspec.json.encode({"email": email, "password": password})
    return request("POST", "/login", {}, body)


def _expect(reply: Reply, status: int) -> Reply:
    if reply.status != status:
        raise HttpError(f"{reply.status}: {reply.body[:300]!r}")
    return reply
