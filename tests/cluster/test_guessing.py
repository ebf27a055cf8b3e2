"""A thousand guesses over two replicas get nowhere, and the owner does not notice."""

import asyncio
from collections import Counter

import aiohttp

from tests.cluster.conftest import Launch
from tests.support.system import PASSWORD, System

GUESSES = 1000
AT_ONCE = 50
STRANGER, OWNER = "203.0.113.66", "198.51.100.1"


async def log_in(
    http: aiohttp.ClientSession, system: System, replica: int, email: str, password: str, come: str
) -> tuple[int, str | None]:
    async with http.post(
        f"{system.auths[replica].url}/login",
        json={"email": email, "password": password},
        headers={"X-Forwarded-For": come},
    ) as reply:
        return reply.status, reply.headers.get("Retry-After")


async def test_a_thousand_guesses_over_two_replicas_are_throttled_and_the_owner_logs_in(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    settings = {"RATE_LIMITS": "on", "TRUSTED_PROXIES": "127.0.0.1"}
    system = await launch(mongo_url, amqp_url, instances=0, replicas=2, settings=settings)
    email = (await system.person("ann")).email
    gate = asyncio.Semaphore(AT_ONCE)

    async with aiohttp.ClientSession() as http:

        async def guess(number: int) -> tuple[int, str | None]:
            async with gate:
                return await log_in(http, system, number % 2, email, f"guess {number}", STRANGER)

        attack = asyncio.gather(*(guess(number) for number in range(GUESSES)))
        meanwhile: list[tuple[int, str | None]] = []
        while not attack.done():
            meanwhile.append(await log_in(http, system, len(meanwhile) % 2, email, PASSWORD, OWNER))
        replies = await attack
    counts = Counter(status for status, _ in replies)
    assert set(counts) == {401, 429}
    assert counts[401] < 30  # ten are free, then 1, 2, 4, … seconds
    assert all(int(wait or 0) >= 1 for status, wait in replies if status == 429)
    assert {status for status, _ in meanwhile} == {200}
