"""What the chat service counts of itself, read when Prometheus asks."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from chat_service.accounts import AuthFeed
from chat_service.websocket import Backend
from shared.observability.metrics import Distribution


def expose(registry: CollectorRegistry, backend: Backend, auth_feed: AuthFeed) -> None:
    """Add the metrics of `backend` and `auth_feed` to `registry`."""
    registry.register(_Chat(backend, auth_feed))


class _Chat(Collector):
    def __init__(self, backend: Backend, auth_feed: AuthFeed) -> None:
        self._backend = backend
        self._auth_feed = auth_feed

    def collect(self) -> Iterable[Metric]:
        yield from self._sockets()
        yield from self._log()
        yield from self._delivery()
        yield from self._fanout()

    def _sockets(self) -> Iterable[Metric]:
        backend = self._backend
        counts = backend.counts
        yield GaugeMetricFamily("chat_connections", "Authenticated WebSockets", backend.hub.count)
        yield GaugeMetricFamily(
            "chat_connections_limit",
            "WebSockets that this instance accepts",
            backend.settings.max_connections,
        )
        yield CounterMetricFamily("chat_sockets_opened", "WebSockets authenticated", counts.opened)
        yield CounterMetricFamily(
            "chat_slow_sockets_closed", "Sockets cut off because they did not read", counts.slow
        )
        yield CounterMetricFamily("chat_resumes", "Resumes answered", counts.resumes)
        yield CounterMetricFamily(
            "chat_resumed_entries", "Entries that resumes sent", counts.caught_up
        )

    def _log(self) -> Iterable[Metric]:
        log = self._backend.log
        counts = log.counts
        yield GaugeMetricFamily(
            "chat_pending_sends", "Messages waiting for the database", log.pending
        )
        yield _labelled(
            CounterMetricFamily(
                "chat_messages", "Messages and changes of messages by outcome", labels=["outcome"]
            ),
            (
                ("committed", counts.committed),
                ("repeated", counts.repeated),
                ("refused", counts.refused),
                ("failed", counts.failed),
            ),
        )
        yield _histogram("chat_commit_batch_size", "Messages in a group commit", counts.sizes)
        yield _histogram("chat_commit_seconds", "Time that a group commit takes", counts.seconds)

    def _delivery(self) -> Iterable[Metric]:
        delivery = self._backend.delivery
        times = HistogramMetricFamily(
            "chat_delivery_seconds",
            "From the start of an entry's commit until its sockets were given it",
            labels=["committed"],
        )
        for where, distribution in (
            ("here", delivery.counts.here),
            ("elsewhere", delivery.counts.elsewhere),
        ):
            times.add_metric([where], distribution.buckets(), distribution.total)
        yield times
        yield CounterMetricFamily(
            "chat_gaps_filled",
            "Events that did not come and were read from the log",
            delivery.sequencer.gaps_filled,
        )
        yield CounterMetricFamily("chat_resyncs", "Sockets told to resume", delivery.counts.resyncs)

    def _fanout(self) -> Iterable[Metric]:
        fanout = self._backend.fanout
        yield GaugeMetricFamily(
            "chat_canary_age_seconds",
            "Time since this instance heard itself through the broker",
            fanout.canary_age,
        )
        yield CounterMetricFamily(
            "chat_published_batches", "AMQP messages with events", fanout.published_batches
        )
        yield CounterMetricFamily(
            "chat_published_events", "Events published", fanout.published_events
        )
        yield _histogram(
            "chat_publish_lag_seconds",
            "From an event's delivery here until the broker had it",
            fanout.publish_lag,
        )
        yield GaugeMetricFamily(
            "chat_unannounced_conversations",
            "Conversations that other instances have yet to be told of",
            fanout.unannounced,
        )
        yield _labelled(
            CounterMetricFamily(
                "chat_unreadable", "AMQP messages that cannot be read", labels=["what"]
            ),
            (
                ("batch", fanout.unreadable.total),
                ("event", self._auth_feed.unreadable.total),
            ),
        )


def _histogram(name: str, says: str, distribution: Distribution) -> Metric:
    return HistogramMetricFamily(
        name, says, buckets=distribution.buckets(), sum_value=distribution.total
    )


def _labelled(
    family: CounterMetricFamily, values: Iterable[tuple[str, int]]
) -> CounterMetricFamily:
    for label, value in values:
        family.add_metric([label], value)
    return family
