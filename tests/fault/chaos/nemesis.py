"""Carries out a schedule of faults, one after the other, and records each."""

import asyncio
from collections.abc import Callable, Mapping
from itertools import count
from random import Random

from tests.fault.chaos.faults.fault import Fault, Stage
from tests.fault.chaos.history import FaultBegan, FaultEnded, Recorder
from tests.fault.chaos.schedule import Make, Planned, planned
from tests.fault.chaos.system import System
from tests.fault.chaos.workload import Workload
from tests.support.conditions import set_within

Say = Callable[[str], None]


class Nemesis:
    """Several schedules may run beside each other; their faults are numbered together."""

    def __init__(
        self, system: System, workload: Workload, recorder: Recorder, pace: float, say: Say
    ) -> None:
        self._system = system
        self._workload = workload
        self._recorder = recorder
        self._pace = pace
        self._say = say
        self._numbers = count(1)

    async def torment(self, seed: str, faults: Mapping[str, Make], stop: asyncio.Event) -> None:
        """One fault after the other, until `stop`; then none is left."""
        for plan in planned(seed, faults, self._pace):
            if await set_within(stop, plan.wait):
                return
            await self._inflict(plan, stop)

    async def _inflict(self, plan: Planned, stop: asyncio.Event) -> None:
        number = next(self._numbers)
        stage = Stage(self._system, self._workload, Random(plan.seed))
        # Making one may ask who is primary, and somebody may not answer.
        fault = await asyncio.to_thread(plan.make, stage)
        began_at = self._recorder.now()
        self._began(number, plan, fault, began_at)
        error = ""
        try:
            try:
                await fault.begin()
                self._say(f"{began_at:6.1f} s  {plan.kind}: {fault.target}, {plan.hold:.0f} s")
                await set_within(stop, plan.hold)
            except Exception as reason:
                error = f"{type(reason).__name__}: {reason}"
        finally:
            await fault.end()
        self._recorder.add(FaultEnded(number, error, at=self._recorder.now()))
        if error:
            self._say(f"          {plan.kind} of {fault.target} failed: {error}")

    def _began(self, number: int, plan: Planned, fault: Fault, at: float) -> None:
        self._recorder.add(FaultBegan(number, plan.kind, fault.target, fault.instances, at=at))
