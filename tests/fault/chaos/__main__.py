"""`make chaos`: `python -m tests.chaos`, with MINUTES (5) and SEED (any) in the environment."""

import asyncio
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from deploy import ROOT
from tests.fault.chaos.report import Report, explained
from tests.fault.chaos.round import play
from tests.fault.chaos.schedule import unavailable
from tests.fault.chaos.system import System

RESULT = Path("chaos.json").resolve()
ROUND_SECONDS = 60.0
OK, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


def main() -> int:
    seed = os.environ.get("SEED") or secrets.token_hex(4)
    try:
        minutes = float(os.environ.get("MINUTES") or 5)
    except ValueError:
        print("MINUTES is a number: make chaos MINUTES=60")
        return WRONG_USE
    (ROOT / ".run").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-", dir=ROOT / ".run"))
    report = Report(seed)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(report, minutes, folder))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\ninterrupted")
        shutil.rmtree(folder, ignore_errors=True)
        return INTERRUPTED
    print(f"\n{report.text()}")
    report.write(RESULT)
    print(f"details: {RESULT}")
    if report.passed:
        shutil.rmtree(folder, ignore_errors=True)
        return OK
    print(f"logs and histories: {folder}\nagain: make chaos MINUTES={minutes:g} SEED={seed}")
    return FAILED


async def _run(report: Report, minutes: float, folder: Path) -> None:
    task = asyncio.current_task()
    assert task is not None
    for signum in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(signum, task.cancel)
    print(f"seed {report.seed}; starting MongoDB, RabbitMQ and the services", flush=True)
    ends_at = time.monotonic() + minutes * 60
    async with System(folder) as system:
        report.unavailable = unavailable(system)
        for kind, why in report.unavailable.items():
            print(f"no {kind}: {why}")
        while not report.violations and (left := ends_at - time.monotonic()) > 5:
            name = f"r{report.rounds + 1}"
            print(f"round {report.rounds + 1}", flush=True)
            try:
                one = await play(
                    system, name, f"{report.seed} {name}", min(ROUND_SECONDS, left), say=_say
                )
            except (AssertionError, TimeoutError, ExceptionGroup) as error:
                report.trouble = _reason(error)
                return
            report.add(one)
            print(f"  {len(one.violations)} violations", flush=True)
            if one.violations:
                one.history.write(folder / f"{name}.jsonl")
                print(explained(one))


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
