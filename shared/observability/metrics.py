"""Prometheus metrics: one registry per application. No label names a person or a conversation."""

import asyncio
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Distribution:
    """A histogram; `bounds` are the inclusive upper bounds of its buckets, ascending."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> Sequence[tuple[str, float]]:
        """Each upper bound with the cumulative count, as Prometheus expects."""
        bounds = (*(str(float(bound)) for bound in self.bounds), "+Inf")
        return list(zip(bounds, accumulate(self.counts), strict=True))


def seconds() -> Distribution:
    """A distribution of durations."""
    return Distribution(SECONDS)


def outcomes(
    registry: CollectorRegistry, name: str, description: str, label: str, values: Iterable[str]
) -> Counter:
    """A counter with one label that exposes every value from the start, as zero."""
    counter = Counter(name, description, [label], registry=registry)
    for value in values:
        counter.labels(value)
    return counter


class HttpMetrics(Collector):
    """Counts HTTP requests, and holds the registry for a service's own metrics.

    It counts in plain values, from one thread, and builds metrics when Prometheus asks: a labelled
    counter and histogram of the library cost a request more than its routing.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._requests: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[tuple[str, str], Distribution] = {}
        self.registry.register(self)

    def count(self, method: str, route: str, status: int) -> None:
        key = (method, route, status)
        self._requests[key] = self._requests.get(key, 0) + 1

    def time(self, method: str, route: str, seconds: float) -> None:
        distribution = self._seconds.get((method, route))
        if distribution is None:
            distribution = self._seconds[method, route] = Distribution(SECONDS)
        distribution.add(seconds)

    def collect(self) -> Iterable[Metric]:
        requests = CounterMetricFamily(
            "http_requests",
            "HTTP requests by method, route and status",
            labels=["method", "route", "status"],
        )
        for (method, route, status), count in self._requests.items():
            requests.add_metric([method, route, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily(
            "http_request_seconds", "Time to answer HTTP requests", labels=["method", "route"]
        )
        for labels, distribution in self._seconds.items():
            seconds.add_metric(labels, distribution.buckets(), distribution.total)
        yield seconds
        tasks = len(asyncio.all_tasks())
        yield GaugeMetricFamily("asyncio_tasks", "Tasks of the event loop", tasks)

    def exposition(self) -> web.Response:
        """The reply to `/metrics`; call it in the event loop's thread."""
        return web.Response(
            body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )


METRICS = web.AppKey("metrics", HttpMetrics)
