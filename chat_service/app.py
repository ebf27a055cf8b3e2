"""Puts the chat service together. Nothing happens at import."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from functools import partial

import aiohttp
from aiohttp import web

from chat_service import rest, websocket
from chat_service.accounts import AuthFeed, Departures, EmployeeLookup, Revocations, RevokedSids
from chat_service.delivery import Delivery, Hub
from chat_service.fanout import Broker, FanOut, MemoryBroker, RabbitBroker
from chat_service.inbox import ConversationList, Conversations, InboxStore, Marking, Summaries
from chat_service.log import EntryStore, LogSettings, MessageLog
from chat_service.messaging import Messaging
from chat_service.metrics import expose
from chat_service.presence import PresenceKeeper, PresenceStore, PresenceTimes
from chat_service.protocol import Limits
from chat_service.rest import CONVERSATION_LIST, MARKING, MESSAGING, PRESENCE, add_page
from chat_service.settings import ChatSettings
from chat_service.websocket import (
    SOCKETS,
    Backend,
    ResumeLimits,
    Resumption,
    SocketCounts,
    Sockets,
)
from shared.clock import DatabaseClock
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
    """Build every part, innermost first, and own the tasks that run them."""
    http = await stack.enter_async_context(aiohttp.ClientSession())
    health = app[HEALTH].checks
    if keys is None:
        keys = remote = RemoteKeys(http, settings.auth_url)
        health["signing keys"] = remote.check
    revoked = RevokedSids()
    verifier = TokenVerifier(keys, settings.jwt_issuer, settings.jwt_audience, revoked)

    mongo = Mongo(settings.mongo_url, settings.mongo_database, _prepare)
    stack.callback(mongo.close)
    health["mongodb"] = mongo.check
    store = EntryStore(mongo.ready_database)
    directory = EmployeeLookup(http, settings.auth_url)
    inbox = InboxStore(mongo.ready_database)
    conversations = Conversations(inbox, directory.must_exist)
    summaries = Summaries(inbox, store, settings.summary_seconds)

    presence_store = PresenceStore(mongo.ready_database)
    presence = PresenceKeeper(
        presence_store,
        settings.instance_id,
        PresenceTimes(settings.presence_grace_seconds, settings.presence_lease_seconds),
    )
    clock = DatabaseClock(mongo)
    hub = Hub(
        settings.max_connections,
        settings.max_employee_connections,
        presence.came,
        presence.left,
        clock,
    )
    broker = broker or _broker(settings)
    fanout = FanOut(broker, settings.instance_id, settings.fanout_shards)
    health["rabbitmq"] = fanout.probe.check
    message_log = MessageLog(
        store,
        LogSettings(settings.commit_lanes, settings.commit_batch, settings.max_pending),
        clock,
    )
    delivery = Delivery(hub, store, summaries, fanout, message_log, settings.gap_wait_seconds)
    stack.push_async_callback(delivery.sequencer.close)
    messaging = Messaging(conversations, inbox, message_log, store, settings.max_text)
    resumption = Resumption(
        inbox,
        store,
        ResumeLimits(
            settings.max_resume_conversations,
            settings.max_resume_entries,
            settings.max_resume_total,
            settings.max_resume_bytes,
        ),
    )
    marking = Marking(inbox, store, message_log.heads, delivery.marked)
    rates = RateLimiter(settings.op_rate, settings.op_burst) if settings.rate_limits else None
    backend = Backend(
        settings=settings,
        limits=_limits(settings),
        verifier=verifier,
        hub=hub,
        fanout=fanout,
        log=message_log,
        delivery=delivery,
        messaging=messaging,
        resumption=resumption,
        marking=marking,
        rates=rates,
        draining=asyncio.Event(),
        counts=SocketCounts(),
    )
    sockets = Sockets(backend)
    health["instance"] = sockets.check
    app[VERIFIER] = verifier
    app[MESSAGING] = messaging
    app[SOCKETS] = sockets
    app[CONVERSATION_LIST] = ConversationList(inbox, summaries)
    app[MARKING] = marking
    app[PRESENCE] = presence
    if rates is not None:
        limiter = rates
        app[ADMISSION] = lambda caller: limiter.admit(caller.email)
    auth_feed = AuthFeed(
        http,
        settings.auth_url,
        None if settings.amqp_url.startswith("memory:") else settings.amqp_url,
        settings.instance_id,
        settings.mongo_database,
        Revocations(revoked, hub).revoke,
        Departures(
            inbox,
            store,
            presence_store,
            delivery.tell,
            erase=settings.deleted_employees == "erase",
        ).handle,
    )
    health["revoked sessions"] = auth_feed.check
    expose(app[METRICS].registry, backend, auth_feed)

    def elected() -> None:
        # For a moment a deposed primary may have answered reads without the newest entries.
        delivery.resync_all("the database has another primary")

    stack.push_async_callback(_last_words, summaries)
    stack.push_async_callback(presence.end)
    keep_running(
        stack,
        partial(mongo.run, elected),
        clock.run,
        lambda: message_log.run(delivery.committed, delivery.doubtful),
        lambda: summaries.run(delivery.doubtful),
        marking.run,
        lambda: fanout.run(delivery.receiver),
        lambda: presence.run(hub.employees, delivery.tell),
        auth_feed.run,
    )


async def _prepare(database: Database) -> None:
    await EntryStore.prepare(database)
    await InboxStore.prepare(database)
    await PresenceStore.prepare(database)


def _broker(settings: ChatSettings) -> Broker:
    if settings.amqp_url.startswith("memory:"):
        return MemoryBroker(settings.amqp_url)
    return RabbitBroker(settings.amqp_url, settings.instance_id, settings.fanout_queue_bytes)


def _limits(settings: ChatSettings) -> Limits:
    return Limits(
        text=settings.max_text,
        frame_bytes=settings.max_frame_bytes,
        in_flight=settings.max_in_flight,
        resume_conversations=settings.max_resume_conversations,
    )


async def _last_words(summaries: Summaries) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(3):
            await summaries.write()
