"""The auth service put together: the one place that knows every part of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from auth_service import employees, sessions
from auth_service.accounts import Accounts
from auth_service.employees import Employees
from auth_service.keys import KeyRing, load_keys
from auth_service.passwords import Passwords
from auth_service.routes import ACCOUNTS, EMPLOYEES, ENDPOINTS, KEYS
from auth_service.sessions import Sessions
from auth_service.settings import AuthSettings
from auth_service.tokens import TokenIssuer
from shared.application import assemble
from shared.health import Health
from shared.metrics import HttpMetrics
from shared.mongo import Database, Mongo
from shared.tokens import VERIFIER, TokenVerifier

DESCRIPTION = "Sign-up, login, sessions, and the public keys of the access tokens."


def create_app(settings: AuthSettings, *, keys: KeyRing | None = None) -> web.Application:
    """The service; `keys` instead of those in the folder of the settings.

    It connects to nothing before it is started. Raises `KeyFolderError`.
    """
    keys = keys or load_keys(Path(settings.signing_keys))
    metrics = HttpMetrics()
    mongo = Mongo(settings.mongo_url, settings.mongo_database, _prepare)
    directory = Employees(mongo)
    passwords = Passwords(
        cost=settings.bcrypt_cost,
        workers=settings.bcrypt_workers,
        queue=settings.bcrypt_queue,
        registry=metrics.registry,
    )
    accounts = Accounts(
        employees=directory,
        sessions=Sessions(
            mongo,
            unused=timedelta(days=settings.refresh_token_days),
            revoked=timedelta(seconds=settings.access_token_seconds),
        ),
        passwords=passwords,
        tokens=TokenIssuer(
            keys,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            lifetime=settings.access_token_seconds,
        ),
        registry=metrics.registry,
    )

    async def lifetime(_app: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(passwords.close)
            stack.callback(mongo.close)
            stack.push_async_callback(_end, asyncio.create_task(mongo.run()))
            yield

    app = assemble(
        settings,
        title="Auth service",
        description=DESCRIPTION,
        endpoints=ENDPOINTS,
        health=Health({"mongodb": mongo.check}),
        metrics=metrics,
    )
    app[ACCOUNTS] = accounts
    app[EMPLOYEES] = directory
    app[KEYS] = keys
    app[VERIFIER] = TokenVerifier(keys, settings.jwt_issuer, settings.jwt_audience)
    app.cleanup_ctx.append(lifetime)
    return app


async def _prepare(database: Database) -> None:
    await employees.prepare(database)
    await sessions.prepare(database)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
