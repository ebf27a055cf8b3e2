"""Rates of employees: a burst, then so many a second; and what is forgotten first."""

import pytest

from shared import rates
from shared.errors import RateLimited
from shared.rates import RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rates, "time", clock)
    return clock


def refused(limiter: RateLimiter, employee: str) -> bool:
    try:
        limiter.admit(employee)
    except RateLimited:
        return True
    return False


def test_after_a_burst_so_many_a_second_are_admitted(clock: Clock) -> None:
    limiter = RateLimiter(2.0, 3)
    assert [refused(limiter, "ann") for _ in range(4)] == [False, False, False, True]
    with pytest.raises(RateLimited) as waits:
        limiter.admit("ann")
    assert waits.value.retry_after == 0.5
    clock.now += 0.5
    assert [refused(limiter, "ann") for _ in range(2)] == [False, True]
    assert not refused(limiter, "ben")


def test_the_least_recently_used_bucket_goes_first(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "REMEMBERED", 2)
    limiter = RateLimiter(0.001, 1)
    limiter.admit("ann")
    limiter.admit("ben")
    assert refused(limiter, "ann")  # who goes on trying is not forgotten
    limiter.admit("eve")
    assert refused(limiter, "ann")
    assert not refused(limiter, "ben")
