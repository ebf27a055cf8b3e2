"""What both services are assembled from: operational endpoints, middleware, start and stop."""

import asyncio
import gc
from collections.abc import Iterable

import uvloop
from aiohttp import web

from shared.http.addresses import PROXIES, Proxies
from shared.http.docs import documentation
from shared.http.endpoints import Endpoint, register
from shared.http.health import HEALTH, Health, Liveness, Readiness, healthz, readyz
from shared.http.middleware import REQUEST_LOG, edge, stamp
from shared.http.request_log import RequestLog
from shared.http.serving import serve
from shared.observability.logs import configure, get_logger
from shared.observability.metrics import METRICS, HttpMetrics
from shared.settings import Settings

log = get_logger("application")


def assemble(
    settings: Settings,
    *,
    title: str,
    description: str,
    endpoints: Iterable[Endpoint],
    health: Health,
    metrics: HttpMetrics,
) -> web.Application:
    """An application with `endpoints`, their documentation, health checks and metrics."""
    app = web.Application(middlewares=[edge], client_max_size=settings.max_body_bytes)
    app.on_response_prepare.append(stamp)
    app[HEALTH] = health
    app[METRICS] = metrics
    app[REQUEST_LOG] = RequestLog()
    app[PROXIES] = Proxies(settings.trusted_proxies)
    endpoints = (*endpoints, *_OPERATIONAL)
    register(app, endpoints, settings.cors_origins)
    documentation(app, title=title, description=description, endpoints=endpoints)
    if not settings.rate_limits:
        log.warning("RATE_LIMITS=off: this service has no rate limits")
    return app


def run(app: web.Application, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(app, settings, _announce))


def prepare_process(settings: Settings) -> None:
    """Configure logging; call it once, before anything logs."""
    configure(settings.log_format, settings.log_level)


def _announce(address: str) -> None:
    log.info("listening", address=address)


async def _metrics(request: web.Request) -> web.Response:
    return request.app[METRICS].exposition()


_OPERATIONAL = (
    Endpoint(
        method="GET",
        path="/healthz",
        handler=healthz,
        summary="Whether this process answers",
        replies={200: Liveness},
        public=True,
    ),
    Endpoint(
        method="GET",
        path="/readyz",
        handler=readyz,
        summary="Whether the service and its dependencies are ready",
        replies={200: Readiness, 503: Readiness},
        public=True,
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        handler=_metrics,
        summary="Prometheus metrics",
        replies={200: str},
        public=True,
    ),
)
