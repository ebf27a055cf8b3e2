"""The auth service put together: the one place that knows every part of it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from auth_service.accounts import (
    Accounts,
    Admission,
    Audit,
    OwnAccount,
    OwnSessions,
    Throttle,
    Throttles,
    throttle_store,
)
from auth_service.api import (
    ACCOUNTS,
    DIRECTORY,
    EMPLOYEES,
    KEYS,
    OWN_ACCOUNT,
    OWN_SESSIONS,
    SESSIONS,
)
from auth_service.api import (
    accounts as routes,
)
from auth_service.api import (
    directory as directory_routes,
)
from auth_service.api import (
    own_account as own_routes,
)
from auth_service.api import (
    sessions as session_routes,
)
from auth_service.employees import Directory, Employees, directory
from auth_service.employees import store as employees
from auth_service.outbox import Announcer, Deletions
from auth_service.outbox import deletions as departures
from auth_service.passwords import Passwords
from auth_service.sessions import Sessions, SessionVerifier
from auth_service.sessions import store as sessions
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
    """The service; `keys` instead of those in the folder of the settings.

    It connects to nothing before it is started. Raises `KeyFolderError`.
    """
    folder = Path(settings.signing_keys)
    watched = keys is None
    keys = keys or load_keys(folder)
    metrics = HttpMetrics()
    mongo = Mongo(settings.mongo_url, settings.mongo_database, _prepare)
    staff = Employees(mongo)
    people = Directory(mongo)
    passwords = Passwords(
        cost=settings.bcrypt_cost,
        workers=settings.bcrypt_workers,
        queue=settings.bcrypt_queue,
        registry=metrics.registry,
    )
    open_sessions = Sessions(
        mongo,
        unused=timedelta(days=settings.refresh_token_days),
        lifetime=timedelta(days=settings.session_days),
        access_tokens=timedelta(seconds=settings.access_token_seconds),
    )
    departed = Deletions(mongo)
    announcer = Announcer(settings.broker_url, open_sessions, departed)
    audit = Audit()
    throttle = Throttle(
        Throttles(mongo) if settings.rate_limits else None,
        failures=settings.login_failures,
        sign_ups=settings.sign_ups,
        registry=metrics.registry,
    )
    accounts = Accounts(
        employees=staff,
        sessions=open_sessions,
        departures=departed,
        passwords=passwords,
        tokens=TokenIssuer(
            keys,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            lifetime=settings.access_token_seconds,
        ),
        throttle=throttle,
        admission=Admission(settings.sign_up == "open", settings.sign_up_domains),
        announcer=announcer,
        audit=audit,
        registry=metrics.registry,
    )

    own_account = OwnAccount(
        employees=staff,
        sessions=open_sessions,
        departures=departed,
        passwords=passwords,
        throttle=throttle,
        announcer=announcer,
        audit=audit,
    )

    async def lifetime(_app: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(passwords.close)
            stack.callback(mongo.close)
            watch = [KeyWatch(folder, keys).run] if watched else []
            keep_running(stack, mongo.run, announcer.run, own_account.run, people.run, *watch)
            yield

    app = assemble(
        settings,
        title="Auth service",
        description=DESCRIPTION,
        endpoints=(
            *routes.ENDPOINTS,
            *own_routes.ENDPOINTS,
            *directory_routes.ENDPOINTS,
            *session_routes.ENDPOINTS,
        ),
        health=Health({"mongodb": mongo.check}),
        metrics=metrics,
    )
    app[ACCOUNTS] = accounts
    app[EMPLOYEES] = staff
    app[DIRECTORY] = people
    app[KEYS] = keys
    app[SESSIONS] = open_sessions
    app[OWN_ACCOUNT] = own_account
    app[OWN_SESSIONS] = OwnSessions(staff, open_sessions, announcer, audit)
    app[VERIFIER] = SessionVerifier(keys, settings.jwt_issuer, settings.jwt_audience, open_sessions)
    if settings.rate_limits:
        rates = RateLimiter(settings.request_rate, settings.request_burst)
        app[ADMISSION] = lambda caller: rates.admit(caller.sub)
    app.cleanup_ctx.append(lifetime)
    return app


async def _prepare(database: Database) -> None:
    await employees.prepare(database)
    await directory.prepare(database)
    await departures.prepare(database)
    await sessions.prepare(database)
    await throttle_store.prepare(database)
