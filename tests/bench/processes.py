"""Processes of a benchmark: starting them, and what /proc tells of them."""

import asyncio
import os
import sys
import time
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.error import URLError

from deploy import ROOT
from deploy.local.process.owned import OwnedProcess
from deploy.local.process.ports import free_port

HOST = "127.0.0.1"
READY_SECONDS = 45.0
LOOK_EVERY_SECONDS = 0.05
_TICKS = os.sysconf("SC_CLK_TCK")


class Program:
    """`python -m module` on a port of its own; gone when this process is, however it ends."""

    def __init__(
        self, module: str, name: str, folder: Path, environment: Mapping[str, str]
    ) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.pid = 0
        self._name = name
        self._process = OwnedProcess(
            [sys.executable, "-m", module],
            log=folder / f"{name}.log",
            env={
                **{name: os.environ[name] for name in os.environ if not name.startswith("COV")},
                **environment,
                "PYTHONPATH": str(ROOT),
                "HOST": HOST,
                "PORT": str(self.port),
            },
        )

    async def ready(self) -> None:
        """Returns when `/readyz` says so. Raises `RuntimeError` with what it said last."""
        deadline = time.monotonic() + READY_SECONDS
        while not await asyncio.to_thread(self._answers):
            if not self._process.running:
                raise RuntimeError(f"{self._name} ended:\n{self._process.tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self._name} was not ready:\n{self._process.tail()}")
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        (self.pid,) = children(self._process.pid)

    def stop(self) -> None:
        """At once: nothing that a benchmark leaves behind is worth waiting for."""
        self._process.kill()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as reply:
                return bool(reply.status == 200)
        except (URLError, OSError):
            return False


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes and all their threads so far, to 10 ms."""
    total = 0
    for pid in pids:
        fields = _stat(pid)
        total += int(fields[11]) + int(fields[12])  # utime, stime: proc(5)
    return total / _TICKS


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def children(pid: int) -> list[int]:
    """The processes that `pid` started and that still run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int(_stat(int(entry.name))[1]) == pid:
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
    return found


def descendants(pid: int) -> list[int]:
    below = children(pid)
    return below + [one for child in below for one in descendants(child)]


def program_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _stat(pid: int) -> list[str]:
    """/proc/PID/stat after the name, which may hold blanks: state, ppid, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
