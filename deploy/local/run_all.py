"""`make run-all`: the whole backend on this machine, until Ctrl-C.

MongoDB and RabbitMQ are what answers at MONGO_URL and AMQP_URL, else our own, with their data
under .run/ (RUN_DIR names another folder). The services are stopped before what they use. Nothing
is left running.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deploy import ROOT
from deploy.local import services
from deploy.local.backing.backing_services import (
    EMBEDDED_URL,
    BackingService,
    Present,
    choose_mongodb,
    choose_rabbitmq,
    missing_packages,
    without_password,
)
from deploy.local.backing.mongodb import MongoServer
from deploy.local.backing.rabbitmq import RabbitServer
from deploy.local.install import packages, web
from deploy.local.process import supervisor
from deploy.local.process.console import Console
from deploy.local.process.owned import ServerError
from deploy.local.process.ports import PortTaken, require_free
from deploy.local.services import Service

MOST_INSTANCES = 32
WITHOUT_RABBITMQ = """\
Without RabbitMQ: the chat service uses its embedded broker, which joins no two processes, so
there is ONE chat instance. For more, install rabbitmq-server or Docker, or set AMQP_URL."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    for signum in STOP_SIGNALS:
        signal.signal(signum, _interrupt)
    console = Console()
    directory = Path(os.environ.get("RUN_DIR") or ROOT / ".run")
    try:
        with _the_only_one(directory):
            failure = _run(os.environ, directory, console)
    except ServerError as error:
        failure = str(error)
    except KeyboardInterrupt:
        failure = None
    if failure:
        console.say(failure)
    return 1 if failure else 0


def _run(environ: Mapping[str, str], directory: Path, console: Console) -> str | None:
    """Returns None when it was asked to stop, else what went wrong."""
    ports = services.ports_from(environ)
    instances = services.number_from(environ, "CHAT_INSTANCES", 2, MOST_INSTANCES)
    mongodb = choose_mongodb(environ, directory / "mongodb", ports.mongo_port)
    rabbitmq = choose_rabbitmq(environ, directory / "rabbitmq", ports.rabbitmq_port)
    if rabbitmq.url == EMBEDDED_URL:
        instances = 1
    require_free_ports(_wanted_ports(ports, instances, mongodb, rabbitmq))

    if missing := missing_packages(mongodb, rabbitmq):
        try:
            packages.install(missing, directory / "install.log")
        except ServerError as error:
            console.say(str(error))
            rabbitmq = choose_rabbitmq(
                environ, directory / "rabbitmq", ports.rabbitmq_port, may_install=False
            )
    for name, setting, server in (
        ("MongoDB", "MONGO_URL", mongodb),
        ("RabbitMQ", "AMQP_URL", rabbitmq),
    ):
        if environ.get(setting) and server.url != environ[setting]:
            console.say(f"No {name} lets us in at {setting}, so another is used.")
    if rabbitmq.url == EMBEDDED_URL:
        instances = 1
        console.say(WITHOUT_RABBITMQ)

    _build_page(directory, console)
    with contextlib.ExitStack() as stack:
        stack.callback(console.say, "Everything is stopped.")
        for name, server in (("mongodb", mongodb), ("rabbitmq", rabbitmq)):
            stack.callback(_stop, server, name, console)
            _start(server, name, console)
        planned = services.plan(
            environ, ports, instances, mongodb.url, rabbitmq.url, keys=directory / "keys"
        )
        try:
            return supervisor.run(
                planned,
                {"mongodb": mongodb, "rabbitmq": rabbitmq},
                console,
                cwd=ROOT,
                welcome=_welcome(planned),
            )
        finally:
            _ignore_signals()


def _wanted_ports(
    ports: services.Ports, instances: int, mongodb: BackingService, rabbitmq: BackingService
) -> list[tuple[int, str, str]]:
    """(port, what wants it, the setting that chooses it)."""
    wanted = [(ports.auth_port, "the auth service", "AUTH_PORT")]
    wanted += [
        (ports.chat_port + index, f"chat-{index + 1}", "CHAT_PORT") for index in range(instances)
    ]
    if isinstance(mongodb, MongoServer):
        wanted.append((mongodb.port, "MongoDB", "MONGO_PORT"))
    if isinstance(rabbitmq, RabbitServer):
        wanted.append((rabbitmq.port, "RabbitMQ", "RABBITMQ_PORT"))
    return wanted


def require_free_ports(wanted: Sequence[tuple[int, str, str]]) -> None:
    """Raises ServerError that names every port in the way, before anything is started."""
    problems = [
        f"Port {port} is wanted {times} times: by "
        + " and ".join(f"{name} ({setting})" for number, name, setting in wanted if number == port)
        for port, times in Counter(port for port, _, _ in wanted).items()
        if times > 1
    ]
    for port, name, setting in wanted:
        try:
            require_free(port, name, setting)
        except PortTaken as taken:
            problems.append(str(taken))
    if problems:
        raise ServerError("\n".join(problems))


def _build_page(directory: Path, console: Console) -> None:
    """Without the page the services still run; `/` then says how to build it."""
    try:
        if done := web.build(directory):
            console.say(done)
    except (ServerError, OSError, subprocess.SubprocessError) as error:
        console.say(str(error))


def _start(server: BackingService, name: str, console: Console) -> None:
    if isinstance(server, Present):
        console.say(f"used as it is: {without_password(server.url)}", name)
        return
    console.say("starting", name)
    started = time.monotonic()
    server.start()
    console.say(f"ready at {server.url} after {time.monotonic() - started:.1f} s", name)


def _stop(server: BackingService, name: str, console: Console) -> None:
    try:
        server.stop()
    except ServerError as error:  # must not hide why we stop, nor keep the next from stopping
        console.say(str(error), name)
    else:
        if not isinstance(server, Present):
            console.say("stopped", name)


def _welcome(planned: Sequence[Service]) -> str:
    rows = [
        f"  {service.name:8}{service.address}   API documentation: {service.address}/docs"
        for service in planned
    ]
    page = next(service for service in planned if service.module == "chat_service")
    return "\n".join(
        [
            "",
            "Everything is running:",
            *rows,
            "",
            f"Chat in a browser at http://localhost:{page.port}/",
            "Ctrl-C stops everything.",
            "",
        ]
    )


@contextlib.contextmanager
def _the_only_one(directory: Path) -> Iterator[None]:
    """One run-all a folder: two would share data. The lock ends with the process."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ServerError(
                f"make run-all is running in this folder already (pid {lock.read().strip()})."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _interrupt(*_: object) -> None:
    """The first signal unwinds what has been started; more of them must not disturb that."""
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    for signum in STOP_SIGNALS:
        signal.signal(signum, lambda *_: None)


if __name__ == "__main__":
    sys.exit(main())
