"""What the chat service counts of itself, read when Prometheus asks."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chat_service.session import Services


def expose(registry: CollectorRegistry, services: Services) -> None:
    """Add the metrics of `services` to `registry`."""
    registry.register(_Chat(services))


class _Chat(Collector):
    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        services = self._services
        fanout = services.fanout
        yield GaugeMetricFamily("chat_connections", "Authenticated WebSockets", services.hub.count)
        yield GaugeMetricFamily(
            "chat_pending_sends", "Messages waiting for the database", services.log.pending
        )
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
        yield CounterMetricFamily(
            "chat_holes_filled",
            "Events that did not come and were read from the log",
            services.delivery.sequencer.holes_filled,
        )
