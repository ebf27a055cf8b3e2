"""Puts the chat service together. Nothing happens at import."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from functools import partial
from uuid import uuid4

import aiohttp
from aiohttp import web
from msgspec import Struct

from chat_service import rest, websocket
from chat_service.accounts import AuthFeed, Departures, EmployeeLookup, Revocations, RevokedSids
from chat_service.delivery import Delivery, Hub
from chat_service.fanout import Broker, FanOut, MemoryBroker, RabbitBroker
from chat_service.inbox import ConversationList, Conversations, InboxStore, Marking, Summaries
from chat_service.log import EntryStore, LeaseStore, LogLease, LogSettings, MessageLog
from chat_service.messaging import Messaging
from chat_service.metrics import expose
from chat_service.presence import PresenceKeeper, PresenceStore, PresenceTimes
from chat_service.rest import CONVERSATION_LIST, MARKING, MESSAGING, PRESENCE, add_page
from chat_service.settings import ChatSettings
from chat_service.websocket import (
    SOCKETS,
    Attention,
    Backend,
    ResumeLimits,
    Resumption,
    SocketCounts,
    Sockets,
    Strangers,
)
from shared.clock import DatabaseClock
from shared.fair import FairLimit
from shared.http.application import assemble
from shared.http.endpoints import ADMISSION
from shared.http.health import HEALTH, Health
from shared.jwks import RemoteKeys
from shared.mongo import Database, Mongo
from shared.observability.logs import get_logger
from shared.observability.metrics import METRICS, HttpMetrics
from shared.rates import RateLimiter
from shared.tasks import keep_running
from shared.tokens import VERIFIER, KeySource, TokenVerifier

log = get_logger("chat")

READS_AT_ONCE = 4
"""Lists and resumes that the database works on at once, one of each employee."""
DESCRIPTION = "One-to-one messages: history, sending, and live events over a WebSocket."


def create_app(
    settings: ChatSettings, *, keys: KeySource | None = None, broker: Broker | None = None
) -> web.Application:
    """The chat service. `keys` and `broker` override what the settings name."""
    app = assemble(
        settings,
        title="Chat service",
        description=DESCRIPTION,
        endpoints=(
            *rest.ENDPOINTS,
            *websocket.ENDPOINTS,
        ),
        health=Health({}),
        metrics=HttpMetrics(),
    )
    add_page(app, settings.public_auth_url)

    async def context(app: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await _start(app, settings, stack, keys, broker)
            yield

    async def shutdown(app: web.Application) -> None:
        try:
            async with asyncio.timeout(settings.drain_seconds):
                await app[SOCKETS].drain()
        except TimeoutError:
            log.warning("not everything ended in time", seconds=settings.drain_seconds)

    app.cleanup_ctx.append(context)
    app.on_shutdown.append(shutdown)
    return app


async def _start(
    app: web.Application,
    settings: ChatSettings,
    stack: AsyncExitStack,
    keys: KeySource | None,
    broker: Broker | None,
) -> None:
    """Build the service from the inside out, and run its tasks until `stack` closes."""
    http = await stack.enter_async_context(aiohttp.ClientSession())
    health = app[HEALTH].checks
    if keys is None:
        keys = remote = RemoteKeys(http, settings.auth_url)
        health["signing keys"] = remote.check
    revoked = RevokedSids()
    verifier = TokenVerifier(keys, settings.jwt_issuer, settings.jwt_audience, revoked)
    storage = _storage(settings)
    stack.callback(storage.mongo.close)
    live = _live(settings, storage, broker or _broker(settings))
    directory = EmployeeLookup(http, settings.auth_url)
    backend = _api(app, settings, storage, live, verifier, directory)
    departures = Departures(
        storage.inbox,
        storage.entries,
        storage.presence,
        live.delivery.tell,
        erase=settings.deleted_employees == "erase",
    )
    auth_feed = AuthFeed(
        http,
        settings.auth_url,
        None if settings.amqp_url.startswith("memory:") else settings.amqp_url,
        settings.instance_id,
        settings.mongo_database,
        Revocations(revoked, live.hub).revoke,
        departures.handle,
    )
    health["mongodb"] = storage.mongo.check
    health["rabbitmq"] = live.fanout.probe.check
    health["instance"] = app[SOCKETS].check
    health["revoked sessions"] = auth_feed.check
    expose(app[METRICS].registry, backend, auth_feed)
    stack.push_async_callback(storage.lease.end)
    _run(stack, storage, live, backend.marking, auth_feed)


class _Storage(Struct, frozen=True):
    """The database, its clock, and the store of each collection."""

    mongo: Mongo
    clock: DatabaseClock
    entries: EntryStore
    lease: LogLease
    inbox: InboxStore
    presence: PresenceStore


def _storage(settings: ChatSettings) -> _Storage:
    boot = uuid4().hex
    mongo = Mongo(settings.mongo_url, settings.mongo_database, partial(_prepare, boot))
    database = mongo.ready_database
    entries = EntryStore(database, mongo.blocking, boot)
    return _Storage(
        mongo,
        DatabaseClock(mongo),
        entries,
        LogLease(LeaseStore(database), entries, boot),
        InboxStore(database),
        PresenceStore(database),
    )


class _Live(Struct, frozen=True):
    """What takes messages and presence to the sockets, here and on other instances."""

    hub: Hub
    fanout: FanOut
    log: MessageLog
    delivery: Delivery
    summaries: Summaries
    presence: PresenceKeeper


def _live(settings: ChatSettings, storage: _Storage, broker: Broker) -> _Live:
    presence = PresenceKeeper(
        storage.presence,
        settings.instance_id,
        PresenceTimes(settings.presence_grace_seconds, settings.presence_lease_seconds),
    )
    hub = Hub(
        settings.max_connections,
        settings.max_employee_connections,
        presence.came,
        presence.left,
    )
    fanout = FanOut(broker, settings.instance_id, settings.fanout_shards)
    log = MessageLog(
        storage.entries,
        LogSettings(
            settings.commit_lanes,
            settings.commit_batch,
            settings.max_pending,
            settings.max_wait_seconds,
        ),
        storage.clock,
    )
    summaries = Summaries(storage.inbox, storage.entries, settings.summary_seconds)
    delivery = Delivery(
        hub,
        storage.entries,
        summaries,
        fanout,
        log,
        storage.clock,
        lambda: storage.lease.alive,
        settings.gap_wait_seconds,
    )
    return _Live(hub, fanout, log, delivery, summaries, presence)


def _api(
    app: web.Application,
    settings: ChatSettings,
    storage: _Storage,
    live: _Live,
    verifier: TokenVerifier,
    directory: EmployeeLookup,
) -> Backend:
    """What REST handlers find in `app`, and the backend of the sockets."""
    conversations = Conversations(storage.inbox, directory.must_exist)
    reads = FairLimit(READS_AT_ONCE, each=1)
    rates = RateLimiter(settings.op_rate, settings.op_burst) if settings.rate_limits else None
    backend = Backend(
        settings=settings,
        verifier=verifier,
        hub=live.hub,
        fanout=live.fanout,
        log=live.log,
        delivery=live.delivery,
        messaging=Messaging(
            conversations, storage.inbox, live.log, storage.entries, settings.max_text
        ),
        resumption=Resumption(
            storage.inbox,
            storage.entries,
            reads,
            ResumeLimits(
                settings.max_resume_conversations,
                settings.max_resume_entries,
                settings.max_resume_total,
                settings.max_resume_bytes,
            ),
        ),
        marking=Marking(storage.inbox, storage.entries, live.log.heads, live.delivery.marked),
        rates=rates,
        strangers=Strangers(settings.max_unauthenticated, settings.max_address_unauthenticated),
        attention=Attention(),
        draining=asyncio.Event(),
        counts=SocketCounts(),
    )
    app[VERIFIER] = verifier
    app[MESSAGING] = backend.messaging
    app[SOCKETS] = Sockets(backend)
    app[CONVERSATION_LIST] = ConversationList(storage.inbox, live.summaries, reads)
    app[MARKING] = backend.marking
    app[PRESENCE] = live.presence
    if rates is not None:
        app[ADMISSION] = lambda caller: rates.admit(caller.email)
    return backend


def _run(
    stack: AsyncExitStack, storage: _Storage, live: _Live, marking: Marking, auth_feed: AuthFeed
) -> None:
    """Run every task until `stack` closes."""
    delivery = live.delivery

    def elected() -> None:
        # For a moment a deposed primary may have answered reads without the newest entries.
        delivery.resync_all("the database has another primary")

    stack.push_async_callback(_last_words, live.summaries)
    stack.push_async_callback(live.presence.end)
    keep_running(
        stack,
        partial(storage.mongo.run, elected),
        storage.clock.run,
        partial(live.log.run, delivery.committed, delivery.announce),
        partial(
            storage.lease.run, live.fanout.untold, storage.inbox.participants, delivery.announce
        ),
        delivery.sequencer.backfill.run,
        live.summaries.run,
        marking.run,
        partial(live.fanout.run, delivery.receiver),
        partial(live.presence.run, live.hub.employees, delivery.tell),
        auth_feed.run,
    )


async def _prepare(boot: str, database: Database) -> None:
    await EntryStore.prepare(database)
    await LeaseStore.begin(database, boot)
    await InboxStore.prepare(database)
    await PresenceStore.prepare(database)


def _broker(settings: ChatSettings) -> Broker:
    if settings.amqp_url.startswith("memory:"):
        return MemoryBroker(settings.amqp_url)
    return RabbitBroker(settings.amqp_url, settings.instance_id, settings.fanout_queue_bytes)


async def _last_words(summaries: Summaries) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(3):
            await summaries.write()
