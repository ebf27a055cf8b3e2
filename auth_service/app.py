"""Puts the auth service together: the one place that knows every part of it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry

from auth_service import api
from auth_service.accounts import (
    Accounts,
    Admission,
    Audit,
    OwnAccount,
    OwnSessions,
    Services,
    Throttle,
    Throttles,
)
from auth_service.employees import Directory, Employees
from auth_service.outbox import Announcer, Deletions
from auth_service.passwords import Passwords
from auth_service.sessions import Sessions, SessionVerifier
from auth_service.settings import AuthSettings
from auth_service.tokens import KeyRing, KeyWatch, TokenIssuer, load_keys
from shared.http.application import assemble
from shared.http.endpoints import ADMISSION
from shared.http.health import Health
from shared.mongo import Database, Mongo
from shared.observability.metrics import HttpMetrics
from shared.rates import RateLimiter
from shared.tasks import keep_running
from shared.tokens import VERIFIER

DESCRIPTION = "Sign-up, login, sessions, and the public keys of the access tokens."


def create_app(settings: AuthSettings, *, keys: KeyRing | None = None) -> web.Application:
    """The auth service. `keys` overrides those in the folder that the settings name.

    It connects to nothing before it is started. Raises `KeyFolderError`.
    """
    folder = Path(settings.signing_keys)
    watched = keys is None
    keys = keys or load_keys(folder)
    tokens = TokenIssuer(
        keys,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        lifetime=settings.access_token_seconds,
    )
    metrics = HttpMetrics()
    mongo = Mongo(settings.mongo_url, settings.mongo_database, _prepare)
    services = _services(settings, mongo, metrics.registry)
    own_account = OwnAccount(services)
    directory = Directory(mongo)

    async def lifetime(_app: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(services.passwords.close)
            stack.callback(mongo.close)
            runs = [mongo.run, services.announcer.run, own_account.run, directory.run]
            keep_running(stack, *runs, *([KeyWatch(folder, keys).run] if watched else []))
            yield

    app = assemble(
        settings,
        title="Auth service",
        description=DESCRIPTION,
        endpoints=api.ENDPOINTS,
        health=Health({"mongodb": mongo.check}),
        metrics=metrics,
    )
    admission = Admission(settings.sign_up == "open", settings.sign_up_domains)
    app[api.ACCOUNTS] = Accounts(services, tokens, admission, metrics.registry)
    app[api.EMPLOYEES] = services.employees
    app[api.DIRECTORY] = directory
    app[api.KEYS] = keys
    app[api.SESSIONS] = services.sessions
    app[api.OWN_ACCOUNT] = own_account
    app[api.OWN_SESSIONS] = OwnSessions(services)
    app[VERIFIER] = SessionVerifier(
        keys, settings.jwt_issuer, settings.jwt_audience, services.sessions
    )
    if settings.rate_limits:
        rates = RateLimiter(settings.request_rate, settings.request_burst)
        app[ADMISSION] = lambda caller: rates.admit(caller.sub)
    app.cleanup_ctx.append(lifetime)
    return app


def _services(settings: AuthSettings, mongo: Mongo, registry: CollectorRegistry) -> Services:
    sessions = Sessions(
        mongo,
        unused=timedelta(days=settings.refresh_token_days),
        lifetime=timedelta(days=settings.session_days),
        access_tokens=timedelta(seconds=settings.access_token_seconds),
    )
    deletions = Deletions(mongo)
    return Services(
        employees=Employees(mongo),
        sessions=sessions,
        deletions=deletions,
        passwords=Passwords(
            cost=settings.bcrypt_cost,
            workers=settings.bcrypt_workers,
            queue=settings.bcrypt_queue,
            registry=registry,
        ),
        throttle=Throttle(
            Throttles(mongo) if settings.rate_limits else None,
            failures=settings.login_failures,
            sign_ups=settings.sign_ups,
            registry=registry,
        ),
        announcer=Announcer(settings.broker_url, sessions, deletions),
        audit=Audit(),
    )


async def _prepare(database: Database) -> None:
    for store in (Employees, Directory, Deletions, Sessions, Throttles):
        await store.prepare(database)
