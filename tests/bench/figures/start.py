"""How long `make run-all` takes until everything is ready, when its data is there already."""

import asyncio
import os
import shutil
import signal
import time

from deploy import ROOT
from deploy.local.process.ports import free_port
from tests.bench.report import Goal, Line
from tests.bench.stage import Stage

ROUNDS = 3
PATIENCE_SECONDS = 90.0
READY = b"Everything is running"
ADDRESSES = ("MONGO_URL", "AMQP_URL")


async def start(stage: Stage) -> list[Line]:
    """In a folder and on ports of its own: what somebody runs here already is left alone."""
    directory = stage.folder / "run-all"
    ports = {
        "AUTH_PORT": free_port(),
        "CHAT_PORT": free_port(),
        "MONGO_PORT": free_port(),
        "RABBITMQ_PORT": free_port(),
    }
    environment = {name: value for name, value in os.environ.items() if name not in ADDRESSES}
    environment |= {name: str(port) for name, port in ports.items()}
    environment["RUN_DIR"] = str(directory)
    try:
        first, *later = [await _seconds(environment) for _ in range(ROUNDS + 1)]
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return [
        Line("start_seconds", "make run-all until ready", "s", later, Goal(at_most=15)),
        Line("first_start_seconds", "make run-all until ready, first time", "s", [first]),
    ]


async def _seconds(environment: dict[str, str]) -> float:
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        "make",
        "--no-print-directory",
        "run-all",
        cwd=ROOT,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    said = b""
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while READY not in said:
                line = await process.stdout.readline()
                if not line:
                    raise RuntimeError(f"make run-all ended:\n{said[-2000:].decode()}")
                said += line
        return time.monotonic() - started
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGINT)
            # It stops all that it started; what it says meanwhile must not fill the pipe.
            await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
