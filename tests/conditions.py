"""Waiting in tests: for a condition, never for a time."""

import time
from collections.abc import Callable

LOOK_EVERY_S = 0.02


def eventually(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    """Returns as soon as the condition holds; an AssertionError after `within_s` without it."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(LOOK_EVERY_S)
