"""A short round of faults, with a fixed seed: no promise is broken while things are."""

from pathlib import Path

import pytest

from tests.fault.chaos.history import Answered, FaultBegan, FaultEnded, Invoked, Outcome
from tests.fault.chaos.report import explained
from tests.fault.chaos.round import play
from tests.fault.chaos.system import System

SEED = "a short one"
SECONDS = 30.0
PACE = 0.3
"""Faults follow each other faster than in `make chaos`."""
KINDS = 6


@pytest.mark.timeout(600)
async def test_every_promise_is_kept_while_processes_servers_and_links_fail(tmp_path: Path) -> None:
    async with System(tmp_path) as system:
        one = await play(system, "short", SEED, SECONDS, pace=PACE, say=print)
    assert not one.violations, explained(one)
    began = [fault for fault in one.history if isinstance(fault, FaultBegan)]
    ended = [fault for fault in one.history if isinstance(fault, FaultEnded)]
    assert not [fault.error for fault in ended if fault.error]
    assert len(ended) == len(began)
    assert len({fault.kind for fault in began}) >= KINDS
    asked = {one.attempt: one.at for one in one.history if isinstance(one, Invoked)}
    first, last = began[0].at, ended[-1].at
    meanwhile = [
        answer
        for answer in one.history
        if isinstance(answer, Answered)
        and answer.outcome is Outcome.ACKNOWLEDGED
        and first < asked[answer.attempt] < answer.at < last
    ]
    assert meanwhile
