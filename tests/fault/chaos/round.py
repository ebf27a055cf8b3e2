"""One round: people talk while things break; then everything is mended, read, and judged."""

import asyncio
from random import Random

from msgspec import Struct

from tests.fault.chaos.audit import audit, lagging, settle
from tests.fault.chaos.history import History, Recorder
from tests.fault.chaos.nemesis import Nemesis, Say
from tests.fault.chaos.rules import check
from tests.fault.chaos.rules.violation import Violation
from tests.fault.chaos.schedule import PATH_FAULTS, SERVER_FAULTS, Make, unavailable
from tests.fault.chaos.system import System
from tests.fault.chaos.workload import Workload

CALM_SECONDS = 2.0
"""Of talk before the first fault, and after the last."""


class Round(Struct, frozen=True):
    """What happened, and what was wrong with it. `closes` counts ends of connections by code."""

    name: str
    history: History
    violations: list[Violation]
    closes: dict[int, int]


async def play(
    system: System, name: str, seed: str, seconds: float, *, pace: float = 1.0, say: Say
) -> Round:
    """A round of about this length, and some time to mend and to read.

    Raises AssertionError or TimeoutError where the system does not get well, or a process of it
    ended by itself.
    """
    recorder = Recorder()
    missing = unavailable(system)
    async with Workload(system, recorder, Random(seed), name) as workload:
        enough, no_more_faults = asyncio.Event(), asyncio.Event()
        nemesis = Nemesis(system, workload, recorder, pace, say)
        async with asyncio.TaskGroup() as group:
            talk = group.create_task(workload.run(enough))
            await asyncio.sleep(CALM_SECONDS)
            torments = [
                group.create_task(
                    nemesis.torment(f"{seed} {number}", _without(faults, missing), no_more_faults)
                )
                for number, faults in enumerate((SERVER_FAULTS, PATH_FAULTS))
            ]
            await asyncio.sleep(seconds)
            no_more_faults.set()
            await asyncio.gather(*torments)
            await system.ready()
            await asyncio.sleep(CALM_SECONDS)
            enough.set()
            await talk
        await settle(workload, recorder)
        if late := lagging(workload):
            say(f"still not done: {', '.join(late)}")
        await audit(system, workload, recorder)
        closes: dict[int, int] = {}
        for device in workload.all_devices:
            for code in device.closes:
                closes[code] = closes.get(code, 0) + 1
    history = recorder.history()
    return Round(name, history, check(history), closes)


def _without(faults: dict[str, Make], missing: dict[str, str]) -> dict[str, Make]:
    return {kind: make for kind, make in faults.items() if kind not in missing}
