"""Runs a command for as long as its owner lives: `python tether.py OWNER_PID COMMAND…`.

An owner that is killed cannot clean up, so this process does: when the owner is gone, the command's
process group gets SIGTERM, and SIGKILL after `GRACE_S`. (Linux's PR_SET_PDEATHSIG alone would not
do: it fires when the *thread* that started a process ends, and servers are restarted from worker
threads. Here it ties the command to this process, which has one thread that starts anything.)

Signals to this process are passed on to the command's group. It ends when the command does, with
its exit code; by then the command's process is reaped, so its ports are free.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

GRACE_S = 10.0
LOOK_EVERY_S = 0.25
PR_SET_PDEATHSIG = 1

# What cannot be caught, and so not passed on, is asked for by something that can be.
PASSED_ON = {
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGINT: signal.SIGINT,
    signal.SIGHUP: signal.SIGHUP,
    signal.SIGUSR1: signal.SIGKILL,
    signal.SIGTSTP: signal.SIGSTOP,
    signal.SIGCONT: signal.SIGCONT,
}


def main() -> int:
    owner, command = int(sys.argv[1]), sys.argv[2:]
    # Until the command runs, a signal waits; its group must exist before it can be passed on.
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    child = subprocess.Popen(command, process_group=0, preexec_fn=_in_the_child)
    for signum, passed_on in PASSED_ON.items():
        signal.signal(signum, lambda *_, passed_on=passed_on: _signal_group(child, passed_on))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    threading.Thread(target=_end_with, args=(owner, child), daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


def end_with_parent() -> None:
    """For a process just forked: SIGKILL when the thread that forked it ends. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _in_the_child() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    end_with_parent()


def _end_with(owner: int, child: subprocess.Popen[bytes]) -> None:
    while _is_alive(owner):
        time.sleep(LOOK_EVERY_S)
    _signal_group(child, signal.SIGTERM)
    time.sleep(GRACE_S)
    _signal_group(child, signal.SIGKILL)


def _signal_group(child: subprocess.Popen[bytes], signum: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signum)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    sys.exit(main())
