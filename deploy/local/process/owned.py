"""A process that belongs to us: own process group, output in a file, gone when we are gone."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

LOOK_EVERY_S = 0.002
AT_REST = {
    psutil.STATUS_STOPPED,
    psutil.STATUS_TRACING_STOP,
    psutil.STATUS_DEAD,
    psutil.STATUS_ZOMBIE,
}
TETHER = Path(__file__).with_name("tether.py")


class ServerError(RuntimeError):
    """A local server could not be started or stopped; the message is for a person to read."""


def tethered(command: Sequence[str], owner: int | None = None) -> list[str]:
    """The command, ended when `owner` (this process, unless told) is gone: see tether.py."""
    return [sys.executable, "-I", "-S", str(TETHER), str(owner or os.getpid()), *command]


class OwnedProcess:
    """One run of a command, through a tether. Only its own process group is ever signalled."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ):
        """Start it, in the log's folder unless told. The output of the run before is kept beside
        the log, as `<log>.1`."""
        self.log = log
        self._command_pid: int | None = None
        if log.exists():
            log.replace(log.with_name(log.name + ".1"))
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                tethered(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd or log.parent,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def command_pid(self) -> int | None:
        """The command's own process, below the tether; None before it is there, and after it."""
        if not self.running:
            return None
        if self._command_pid is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._command_pid = next(
                    (child.pid for child in psutil.Process(self.pid).children()), None
                )
        return self._command_pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def terminate(self, timeout_s: float) -> None:
        """SIGTERM, and SIGKILL after `timeout_s`. Returns when it is gone."""
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, as a crash would be. Returns when it is gone."""
        self._signal(signal.SIGUSR1)
        self._process.wait()

    def pause(self, timeout_s: float = 10.0) -> None:
        """SIGSTOP: it keeps its connections and answers nothing, until `resume`.

        Returns when every thread has stopped, on Linux; elsewhere a moment before.
        """
        self._signal(signal.SIGTSTP)
        deadline = time.monotonic() + timeout_s
        while not self._at_rest():
            if time.monotonic() > deadline:
                raise ServerError(f"Process {self.pid} did not stop within {timeout_s:g} s.")
            time.sleep(LOOK_EVERY_S)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def tail(self, lines: int = 15) -> str:
        """The end of its output."""
        text = self.log.read_text("utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _at_rest(self) -> bool:
        """Whether each thread of the command's process group is stopped, or ended."""
        group = self.command_pid
        for pid in psutil.pids():
            with contextlib.suppress(ProcessLookupError, psutil.Error):  # ended meanwhile
                if os.getpgid(pid) == group and any(
                    _moves(thread.id) for thread in psutil.Process(pid).threads()
                ):
                    return False
        return True

    def _signal(self, signum: signal.Signals) -> None:
        # To the tether, which passes it on; see there for what stands for SIGKILL and SIGSTOP.
        self._process.send_signal(signum)


def _moves(thread_id: int) -> bool:
    """Linux tells the status of a thread as it tells a process's."""
    try:
        return psutil.Process(thread_id).status() not in AT_REST
    except psutil.NoSuchProcess:
        return False
