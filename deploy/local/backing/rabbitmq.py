"""A real RabbitMQ of our own: a node that shares nothing with any other on this machine."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from deploy.local.backing import amqp_handshake
from deploy.local.process.owned import OwnedProcess, ServerError
from deploy.local.process.ports import free_port, require_free
from deploy.local.process.server import Server

HOST = "127.0.0.1"
# The data belongs to a node of this name. It can be the same everywhere: names are only looked up
# at the node's own epmd.
NODE_NAME = "messaging@localhost"
START_TIMEOUT_S = 90.0
LOOK_EVERY_S = 0.05

CONFIGURATION = """\
log.console = true
log.console.level = warning
log.file = false
"""


def rabbitmq_server_binary() -> Path | None:
    """The server's own start script.

    Debian puts a wrapper on PATH that changes to the user rabbitmq, or refuses; what it calls runs
    as whoever calls it, which is what a private node wants.
    """
    behind_wrapper = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if behind_wrapper.exists():
        return behind_wrapper
    on_path = shutil.which("rabbitmq-server")
    return Path(on_path) if on_path else None


def _beside_server(name: str) -> str:
    """The path of a tool that belongs to the server; past Debian's wrapper, as above."""
    server = rabbitmq_server_binary()
    beside = server.with_name(name) if server is not None else Path(name)
    return str(beside) if beside.exists() else name


class RabbitServer(Server):
    """A RabbitMQ node on 127.0.0.1 with its data, its log and its Erlang cookie in one directory.

    Durable exchanges and queues outlive the process: `start` after `stop` or `kill` goes on with
    them. Nothing is left running when the process that made this object ends, however it ends.
    """

    def __init__(self, directory: Path, port: int | None = None):
        self.directory = directory.absolute()
        super().__init__()
        self.port = port or free_port()
        self._epmd: OwnedProcess | None = None
        self._control_environment: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{HOST}:{self.port}/"

    @property
    def log(self) -> Path:
        return self.directory / "rabbitmq.log"

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Returns when AMQP clients are let in. Raises ServerError with the end of its log."""
        if self.running:
            return
        binary = rabbitmq_server_binary()
        if binary is None:
            raise ServerError(
                "There is no rabbitmq-server. Install RabbitMQ 3.10 or newer, or set AMQP_URL."
            )
        require_free(self.port, "RabbitMQ", "RABBITMQ_PORT")
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "rabbitmq.conf").write_text(CONFIGURATION)
        (self.directory / "enabled_plugins").write_text("[].\n")
        environment = self._environment(epmd_port=free_port())
        self._control_environment = environment
        try:
            self._start_epmd(environment)
            self._process = OwnedProcess([str(binary)], log=self.log, env=environment)
            self._await_clients(self._process, time.monotonic() + timeout_s)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> int | None:
        status = super().stop()
        self._end_epmd()
        return status

    def kill(self) -> None:
        super().kill()
        self._end_epmd()

    def control(self, *arguments: str, timeout_s: float = 60.0) -> str:
        """What `rabbitmqctl` says to these arguments. Raises ServerError where it fails."""
        binary = _beside_server("rabbitmqctl")
        try:
            done = subprocess.run(
                [binary, *arguments],
                env=self._control_environment,
                capture_output=True,
                text=True,
                timeout=timeout_s,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServerError(f"rabbitmqctl {arguments[0]}: {error}") from error
        if done.returncode:
            raise ServerError(f"rabbitmqctl {arguments[0]}: {done.stderr[-500:]}")
        return done.stdout

    def _environment(self, epmd_port: int) -> dict[str, str]:
        # RABBITMQ_… of a node that may run on this machine as a service must not leak in.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RABBITMQ_", "ERL_"))
        }
        return inherited | {
            "HOME": str(self.directory),  # where Erlang keeps its cookie
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": HOST,
            "ERL_CRASH_DUMP_SECONDS": "0",
            # Replace the shell that starts it by the server itself: one process to signal.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": NODE_NAME,
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.directory / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "mnesia"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_LOG": "-color",
            "RABBITMQ_LOG_BASE": str(self.directory),
            "RABBITMQ_PID_FILE": str(self.directory / "rabbitmq.pid"),
        }

    def _start_epmd(self, environment: dict[str, str]) -> None:
        """Erlang's port mapper, which the node would else leave behind as a daemon."""
        epmd = shutil.which("epmd")
        if epmd is None:
            raise ServerError("There is no epmd, which belongs to Erlang, on PATH.")
        self._epmd = OwnedProcess([epmd], log=self.directory / "epmd.log", env=environment)

    def _end_epmd(self) -> None:
        if self._epmd is not None:
            self._epmd.kill()

    def _await_clients(self, process: OwnedProcess, deadline: float) -> None:
        while time.monotonic() < deadline:
            if not process.running:
                raise ServerError(f"RabbitMQ ended while starting:\n{process.tail()}")
            if amqp_handshake.accepts(self.url):
                return
            time.sleep(LOOK_EVERY_S)
        raise ServerError(f"RabbitMQ let no client in in time:\n{process.tail()}")
