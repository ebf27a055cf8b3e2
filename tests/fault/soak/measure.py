"""What is sampled while a soak runs, and what its end is judged by."""

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from tests.support.vitals import Vitals

WARM_UP = 0.25
"""Of the time: until then connections are still being made, and allocators and caches grow."""
SHORTEST_SECONDS = 120.0
"""A shorter run is all warm-up: its memory is not judged."""
GROWTH = 0.05
GROWTH_BYTES = 8 << 20
"""Memory is flat where the median of the last third after the warm-up is at most this part and
these bytes above that of the first third."""
POOLED = 32
"""Descriptors that a service may keep: connections to MongoDB, RabbitMQ and the other service."""


class Sample(Struct, frozen=True):
    """`at` in seconds since the start; rates in a second since the sample before."""

    at: float
    connections: float
    messages: float
    connects: float
    services: dict[str, Vitals]


class Memory(Struct, frozen=True):
    """Bytes: the medians of the first and the last third after the warm-up."""

    first: float
    last: float

    @property
    def is_flat(self) -> bool:
        return self.last <= self.first * (1 + GROWTH) + GROWTH_BYTES


def memory(samples: Sequence[Sample], service: str) -> Memory | None:
    """None where the run was too short to tell."""
    end = samples[-1].at if samples else 0.0
    if end < SHORTEST_SECONDS:
        return None
    warm = [one.services[service].resident for one in samples if one.at >= WARM_UP * end]
    third = len(warm) // 3
    return Memory(median(warm[:third]), median(warm[-third:])) if third >= 3 else None


def left_behind(before: Vitals, after: Vitals) -> list[str]:
    """What a service has more of than before anybody came."""
    found = []
    if after.tasks > before.tasks:
        found.append(f"{after.tasks - before.tasks:.0f} tasks")
    if after.descriptors > before.descriptors + POOLED:
        found.append(f"{after.descriptors - before.descriptors:.0f} file descriptors")
    return found
