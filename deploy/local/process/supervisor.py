"""Runs the services under honcho, reports each when it is ready, and stops all when one fails."""

import http.client
import multiprocessing
import os
import shlex
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import honcho.manager
from honcho.manager import Manager

from deploy.local.backing.backing_services import BackingService
from deploy.local.process.console import Console, line
from deploy.local.process.owned import tethered
from deploy.local.process.tether import end_with_parent
from deploy.local.services import HOST, Service

READY_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 3.0
LOOK_EVERY_S = 0.1
# From the first process's end; a service gives its requests and sockets some seconds.
honcho.manager.KILL_WAIT = 20


class Services(Manager):  # type: ignore[misc]  # honcho has no types
    """honcho's Manager, which tells why it stops, and can be stopped before all have started."""

    def __init__(self, console: Console):
        super().__init__(console)
        self.stopping = False
        self.failure: str | None = None

    def terminate(self) -> None:
        """Called by honcho when a process has ended or a signal came, and by the watch."""
        if not self.stopping:
            self.stopping = True
            for name in self._processes:
                code = self._processes[name].get("returncode")
                if code is not None and self.failure is None:
                    self.failure = f"{name} ended with exit code {code}.{self.last_words(name)}"
        # honcho knows the pids of those that have started only; the watch asks again.
        if self._all_started():
            super().terminate()

    def fail(self, reason: str) -> None:
        if not self.stopping:
            self.stopping = True
            self.failure = reason

    def last_words(self, name: str) -> str:
        tail = self._printer.tail(name)
        return f" Its last lines were:\n{tail}" if tail else ""


def run(
    services: Sequence[Service],
    backing: Mapping[str, BackingService],
    console: Console,
    cwd: Path,
    welcome: str,
) -> str | None:
    """Returns when all have ended: None when they were asked to, else what went wrong.

    `welcome` is printed when all are ready.
    """
    # honcho forks a process for each service, to read its output. One that is in the middle of
    # handing over a lot of it would wait for us for ever, should we be killed.
    multiprocessing.set_start_method("fork", force=True)
    os.register_at_fork(after_in_child=end_with_parent)
    manager = Services(console)
    for service in services:
        manager.add_process(
            service.name,
            "exec " + shlex.join(tethered(service.command)),
            env=dict(service.environment),
            cwd=str(cwd),
        )
    watch = threading.Thread(target=_watch, args=(manager, services, backing, welcome), daemon=True)
    watch.start()
    signal.signal(signal.SIGHUP, lambda *_: manager.terminate())  # honcho sees to INT and TERM
    manager.loop()
    return manager.failure


def _watch(
    manager: Services,
    services: Sequence[Service],
    backing: Mapping[str, BackingService],
    welcome: str,
) -> None:
    started = time.monotonic()
    waiting = {service.name: service for service in services}
    answers = dict.fromkeys(waiting, "nothing")
    while True:
        time.sleep(LOOK_EVERY_S)
        if manager.stopping:
            manager.terminate()
            continue
        for name, server in backing.items():
            if not server.running:
                manager.fail(f"{name} ended. Its last lines were:\n{server.tail()}")
        for name, service in list(waiting.items()):
            status, answers[name] = _readiness(service.port)
            if status == http.HTTPStatus.OK:
                took = time.monotonic() - started
                manager.events.put(line(f"ready at {service.address} after {took:.1f} s", name))
                del waiting[name]
                if not waiting:
                    manager.events.put(line(welcome))
        if waiting and time.monotonic() - started > READY_TIMEOUT_S:
            name = next(iter(waiting))
            manager.fail(
                f"{name} was not ready within {READY_TIMEOUT_S:g} s; its /readyz answers"
                f" {answers[name]}.{manager.last_words(name)}"
            )


def _readiness(port: int) -> tuple[int, str]:
    """The status of GET /readyz, 0 where nobody answers, and the answer as text."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        body = response.read(2_000).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return 0, f"nothing ({error})"
    else:
        return response.status, f"{response.status} {body}"
    finally:
        connection.close()
