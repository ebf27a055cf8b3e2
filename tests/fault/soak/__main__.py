"""`make soak MINUTES=30 CONNECTIONS=2000`: exit status 1 where something was lost or left."""

import asyncio
import os
import resource
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import msgspec
import uvloop

from deploy import ROOT
from tests.bench.stage import Stage
from tests.fault.soak.plot import svg
from tests.fault.soak.run import Result, Soak

JSON, PLOT = Path("soak.json").resolve(), Path("soak.svg").resolve()
SPARE_SECONDS = 3600


def main() -> int:
    minutes = float(os.environ.get("MINUTES") or 30)
    connections = int(os.environ.get("CONNECTIONS") or 2000)
    seed = int(os.environ.get("SEED") or 1)
    _allow_open_files(2 * connections + 1000)
    # Below the working folder, not in /tmp, which may be memory: commits have to reach a disk.
    (ROOT / ".run").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=ROOT / ".run"))
    soak = Soak(connections, 60 * minutes, seed, _say)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(soak, folder, 60 * minutes))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _report(soak.result)
    return 1 if soak.result.failures else 0


async def _run(soak: Soak, folder: Path, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, soak.stop.set)
    _say("starting MongoDB, RabbitMQ, the auth service and two chat instances")
    async with Stage(folder, token_seconds=round(seconds) + SPARE_SECONDS) as stage:
        await soak.run(stage)


def _report(result: Result) -> None:
    JSON.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1))
    title = f"{result.connections} devices, {result.seconds / 60:.1f} minutes"
    PLOT.write_text(svg(result.samples, title))
    tally = result.tally
    print(
        f"\n{title}{', interrupted' if result.interrupted else ''}: {tally.connects:,} connects,"
        f" {tally.acked:,} messages, {tally.delivered:,} deliveries"
    )
    for name, after in result.after.items():
        before, grown = result.before[name], result.memory.get(name)
        flat = (
            "too short to judge" if grown is None else f"{_mib(grown.first)} → {_mib(grown.last)}"
        )
        print(
            f"{name}: memory {flat}; file descriptors {before.descriptors:.0f} before and"
            f" {after.descriptors:.0f} after, tasks {before.tasks:.0f} and {after.tasks:.0f}"
        )
    for failure in result.failures:
        print(f"FAILED: {failure}")
    print(f"{'FAILED' if result.failures else 'passed'}; details: {JSON}, {PLOT}")


def _mib(size: float) -> str:
    return f"{size / (1 << 20):.1f} MiB"


def _allow_open_files(wanted: int) -> None:
    """For this process, and for the services, which inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _say(text: str) -> None:
    print(f"[soak] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
