"""`/healthz`: whether this process answers. `/readyz`: whether its dependencies do, too."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from msgspec import Struct

from shared.http.endpoints import json_reply
from shared.observability.logs import get_logger

log = get_logger("health")

Check = Callable[[], Awaitable[str | None]]
"""Returns None if all is well, else a short reason."""


class Health(Struct):
    """The dependencies of a service, by name, each with its check."""

    checks: dict[str, Check]
    timeout: float = 2.0

    async def failing(self) -> dict[str, str]:
        """Each failing dependency with the reason; empty if the service is ready."""
        reasons = await asyncio.gather(*(self._run(check) for check in self.checks.values()))
        return {
            name: reason
            for name, reason in zip(self.checks, reasons, strict=True)
            if reason is not None
        }

    async def _run(self, check: Check) -> str | None:
        try:
            async with asyncio.timeout(self.timeout):
                return await check()
        except TimeoutError:
            return f"no answer within {self.timeout:g} s"
        except Exception:
            log.exception("a health check failed")
            return "the check itself failed"


HEALTH = web.AppKey("health", Health)


class Readiness(Struct, frozen=True):
    """`failing` maps each failing dependency to the reason."""

    status: str
    failing: dict[str, str]


class Liveness(Struct, frozen=True):
    status: str = "ok"


async def healthz(_request: web.Request) -> web.Response:
    return json_reply(Liveness())


async def readyz(request: web.Request) -> web.Response:
    failing = await request.app[HEALTH].failing()
    return json_reply(
        Readiness("waiting" if failing else "ready", failing), status=503 if failing else 200
    )
