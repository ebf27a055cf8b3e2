"""`make bench` measures all figures, `make bench-NAME` one: `python -m tests.bench [NAME …]`."""

import asyncio
import gc
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop

from deploy import ROOT
from tests.bench.figures import connections, flatness, login, messages, rest, start, strangers, talk
from tests.bench.machine import describe, summary
from tests.bench.report import Goal, Line, table, write_json
from tests.bench.stage import Stage

MOST_SECONDS = 90.0
"""Of one figure: then it counts as failed."""
OPEN_FILES = 20_000
RESULT = Path("bench.json").resolve()
HEADLINE = "chat_cpu_over_echo"

Figure = Callable[[Stage], Awaitable[list[Line]]]

FIGURES: dict[str, Figure] = {
    "cpu": messages.cpu,
    "throughput": messages.throughput,
    "open-loop": messages.open_loop,
    "history": flatness.history,
    "instances": flatness.instances,
    "connections": connections.connections,
    "put": rest.put,
    "post": rest.post,
    "resume": connections.resume,
    "login": login.login,
    "start": start.start,
    "talk": talk.talk,
    "calm": talk.calm,
    "strangers": strangers.strangers,
    "burst": strangers.burst,
}


def main() -> int:
    names = sys.argv[1:] or list(FIGURES)
    if unknown := [name for name in names if name not in FIGURES]:
        print(f"No such figure: {', '.join(unknown)}. There are: {', '.join(FIGURES)}.")
        return 2
    _allow_open_files()
    # Below the working folder, not in /tmp, which may be memory: commits have to reach a disk.
    (ROOT / ".run").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / ".run"))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(names, folder))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _run(names: Sequence[str], folder: Path) -> int:
    task = asyncio.current_task()
    assert task is not None
    for signum in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(signum, task.cancel)
    started = time.monotonic()
    lines: list[Line] = []
    run: dict[str, Any] = {}
    waiting = list(names)
    try:
        _say("starting MongoDB, RabbitMQ and the auth service")
        async with Stage(folder) as stage:
            run |= await describe(stage)
            print(summary(run), flush=True)
            gc.freeze()
            while waiting:
                name = waiting[0]
                found = await _measure(name, f"{len(names) - len(waiting) + 1}/{len(names)}", stage)
                lines += found
                waiting.pop(0)
    finally:
        lines += [_missing(name, "the run was interrupted") for name in waiting]
        run |= {
            "seconds": round(time.monotonic() - started, 1),
            "load_average_after": list(os.getloadavg()),
        }
        print(f"\n{table(lines)}\n\n{run['seconds']:.0f} s, load average after", end=" ")
        print(" ".join(f"{value:.2f}" for value in run["load_average_after"]))
        write_json(RESULT, lines, run)
        print(f"details: {RESULT}")
    return 1 if any(line.failure for line in lines) else 0


async def _measure(name: str, place: str, stage: Stage) -> list[Line]:
    _say(f"{place} {name}", end=" … ")
    started = time.monotonic()
    try:
        async with asyncio.timeout(MOST_SECONDS):
            lines = await FIGURES[name](stage)
    except Exception as error:
        lines = [_missing(name, _reason(error))]
    first = lines[0]
    value = "FAILED: " + first.failure if first.failure else f"{first.value:.2f} {first.unit}"
    print(f"{value} ({time.monotonic() - started:.0f} s)", flush=True)
    return lines


def _missing(name: str, reason: str) -> Line:
    """A figure that fails is a line that says so."""
    key, goal = (HEADLINE, Goal(at_most=1.8)) if name == "cpu" else (name, None)
    return Line(key, name, "", goal=goal, failure=reason)


def _reason(error: Exception) -> str:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    lines = f"{type(error).__name__}: {error}".strip().splitlines()
    return " … ".join([lines[0], *lines[-1:]][: len(lines)])[:300]


def _allow_open_files() -> None:
    """For this process, and for the services, which inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _say(text: str, end: str = "\n") -> None:
    print(f"[bench] {text}", end=end, flush=True)


if __name__ == "__main__":
    sys.exit(main())
