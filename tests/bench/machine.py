"""What a run was measured on: a figure without it says nothing."""

import asyncio
import os
import platform
import subprocess
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import aio_pika

from auth_service.settings import AuthSettings
from chat_service.settings import ChatSettings
from deploy import ROOT
from tests.bench.stage import Stage, all_settings, chosen_settings

PACKAGES = ("aiohttp", "uvloop", "msgspec", "motor", "pymongo", "aio-pika", "bcrypt", "picows")
SYNCS = 30


async def describe(stage: Stage) -> dict[str, Any]:
    """Versions, settings, cores, and how busy and how quick to write the machine is."""
    connection = await aio_pika.connect(stage.amqp_url)
    async with connection:
        transport = connection.transport
        assert transport is not None
        rabbitmq = transport.connection.server_properties["version"]
    return {
        "revision": _revision(),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "kernel": platform.release(),
        "load_average": list(os.getloadavg()),
        "sync_ms": await asyncio.to_thread(_sync_milliseconds, stage.folder),
        "versions": {
            "python": platform.python_version(),
            "mongodb": str(stage.mongo.server_info()["version"]),
            "rabbitmq": rabbitmq.decode() if isinstance(rabbitmq, bytes) else str(rabbitmq),
            **{package: version(package) for package in PACKAGES},
        },
        "not_default": chosen_settings(),
        "settings": {"chat": all_settings(ChatSettings), "auth": all_settings(AuthSettings)},
    }


def summary(run: dict[str, Any]) -> str:
    """The same in a few lines."""
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    settings = ", ".join(f"{name}={value}" for name, value in run["not_default"].items())
    load = " ".join(f"{value:.2f}" for value in run["load_average"])
    return (
        f"{run['cores']} cores of {run['processor']}, Linux {run['kernel']}; clients, services and"
        f" servers share them; load average {load}; a synced write takes {run['sync_ms']:.2f} ms\n"
        f"revision {run['revision']}; {versions}\n"
        f"settings: as shipped, except {settings}"
    )


def _sync_milliseconds(folder: Path) -> float:
    """What a commit waits for at least; next to nothing means that the disk only pretends."""
    took = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            started = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - started)
    return median(took) * 1000


def _revision() -> str:
    with suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    return "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
