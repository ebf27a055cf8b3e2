"""The metrics of the chat service, read from its parts when Prometheus asks."""

from collections.abc import Iterable
from typing import TypeVar

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

V = TypeVar("V", int, Distribution)


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
        hub, counts = self._backend.hub, self._backend.counts
        limit = self._backend.settings.max_connections
        yield _gauge("chat_connections", "Authenticated WebSockets", hub.count)
        yield _gauge("chat_connections_limit", "WebSockets that this instance accepts", limit)
        yield _counter("chat_sockets_opened", "WebSockets authenticated so far", counts.opened)
        strangers = self._backend.strangers
        yield _gauge(
            "chat_unauthenticated", "WebSockets that wait for their auth op", strangers.count
        )
        yield _gauge(
            "chat_unauthenticated_limit", "How many of these may wait at once", strangers.most
        )
        yield _counter(
            "chat_unauthenticated_refused",
            "WebSockets refused because too many waited for their auth op",
            strangers.refused,
        )
        yield _counter(
            "chat_floods_closed",
            "WebSockets cut off for too many control frames or empty fragments",
            counts.floods,
        )
        yield _counter(
            "chat_slow_sockets_closed", "WebSockets cut off for reading too slowly", counts.slow
        )
        yield _counter("chat_resumes", "Resumes answered", counts.resumes)
        yield _counter("chat_resumed_entries", "Entries sent by resumes", counts.caught_up)

    def _log(self) -> Iterable[Metric]:
        log = self._backend.log
        counts = log.counts
        yield _gauge("chat_pending_sends", "Messages waiting for the database", log.pending)
        yield _counter(
            "chat_messages",
            "Messages, edits and deletions by outcome",
            {
                "committed": counts.committed,
                "repeated": counts.repeated,
                "refused": counts.refused,
                "failed": counts.failed,
            },
            label="outcome",
        )
        yield _histogram("chat_commit_batch_size", "Messages per group commit", counts.sizes)
        yield _histogram("chat_commit_seconds", "Duration of a group commit", counts.seconds)

    def _delivery(self) -> Iterable[Metric]:
        delivery = self._backend.delivery
        counts = delivery.counts
        yield _histogram(
            "chat_delivery_seconds",
            "Time from the start of an entry's commit until it was given to its sockets",
            {"here": counts.here, "elsewhere": counts.elsewhere},
            label="committed",
        )
        yield _counter(
            "chat_gaps_filled",
            "Missing events that were read from the log",
            delivery.sequencer.backfill.entries,
        )
        yield _counter("chat_resyncs", "WebSockets told to resume", counts.resyncs)
        yield _counter(
            "chat_heads",
            "Conversations whose devices were told how far they go, to resume where they lag",
            counts.heads,
        )

    def _fanout(self) -> Iterable[Metric]:
        fanout = self._backend.fanout
        yield _gauge(
            "chat_probe_age_seconds",
            "Time since a probe of this instance came back through the broker",
            fanout.probe.age,
        )
        yield _counter(
            "chat_published_batches", "AMQP messages published", fanout.published_batches
        )
        yield _counter("chat_published_events", "Events published", fanout.published_events)
        yield _histogram(
            "chat_publish_lag_seconds",
            "Time from an event's delivery here until the broker had it",
            fanout.publish_lag,
        )
        yield _gauge(
            "chat_unannounced_conversations",
            "Conversations that other instances have yet to be told of",
            fanout.outbox.unannounced,
        )
        yield _counter(
            "chat_unreadable",
            "AMQP messages dropped because they cannot be read",
            {"batch": fanout.unreadable.total, "event": self._auth_feed.unreadable.total},
            label="what",
        )


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(name, says, value)


def _counter(name: str, says: str, value: int | dict[str, int], label: str = "") -> Metric:
    counter = CounterMetricFamily(name, says, labels=[label] if label else [])
    for labels, count in _by_label(value):
        counter.add_metric(labels, count)
    return counter


def _histogram(
    name: str, says: str, value: Distribution | dict[str, Distribution], label: str = ""
) -> Metric:
    histogram = HistogramMetricFamily(name, says, labels=[label] if label else [])
    for labels, distribution in _by_label(value):
        histogram.add_metric(labels, distribution.buckets(), distribution.total)
    return histogram


def _by_label(value: V | dict[str, V]) -> Iterable[tuple[list[str], V]]:
    """`value`, or one for each value of the label."""
    return (
        [([name], one) for name, one in value.items()] if isinstance(value, dict) else [([], value)]
    )
