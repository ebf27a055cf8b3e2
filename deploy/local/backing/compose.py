"""MongoDB or RabbitMQ as a container of deploy/compose.yaml, where a Docker engine answers."""

import shutil
import subprocess

from deploy import ROOT
from deploy.local.process.owned import ServerError

COMPOSE_FILE = ROOT / "deploy" / "compose.yaml"
# Its own project: what somebody runs from the same file otherwise is not ours to stop.
PROJECT = "messaging-run-all"
START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 60.0
QUICK_TIMEOUT_S = 15.0


def engine_answers() -> bool:
    """True when both a Docker engine and docker compose are there to use."""
    if shutil.which("docker") is None or not COMPOSE_FILE.exists():
        return False
    try:
        for question in (["docker", "info"], ["docker", "compose", "version"]):
            subprocess.run(question, check=True, capture_output=True, timeout=QUICK_TIMEOUT_S)
    except (subprocess.SubprocessError, OSError):
        return False
    return True


class ComposeServer:
    """One service of the compose file. Its data is in the volume that the file names."""

    def __init__(self, service: str, container_port: int, url: str):
        """`url` has `{address}` where the published host:port of `container_port` belongs."""
        self.name = service
        self._container_port = container_port
        self._url = url
        self._address = ""

    @property
    def url(self) -> str:
        return self._url.format(address=self._address)

    @property
    def running(self) -> bool:
        """Not watched: Docker restarts it, and the services say so when it is away."""
        return True

    def start(self) -> None:
        """Returns when the container is healthy. Raises ServerError with compose's output."""
        self._compose("up", "--detach", "--wait", self.name, timeout_s=START_TIMEOUT_S)
        published = self._compose("port", self.name, str(self._container_port))
        if not published.strip():
            raise ServerError(f"{COMPOSE_FILE.name} publishes no port of {self.name}")
        self._address = published.split()[0].replace("0.0.0.0", "127.0.0.1")

    def stop(self) -> None:
        self._compose("stop", self.name, timeout_s=STOP_TIMEOUT_S)

    def tail(self) -> str:
        return self._compose("logs", "--no-log-prefix", "--tail", "15", self.name)

    def _compose(self, *arguments: str, timeout_s: float = QUICK_TIMEOUT_S) -> str:
        command = ["docker", "compose", "-p", PROJECT, "-f", str(COMPOSE_FILE), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise ServerError(f"`{' '.join(command)}` did not end in {timeout_s:g} s") from None
        if done.returncode != 0:
            raise ServerError(f"`{' '.join(command)}` failed:\n{done.stderr.strip()}")
        return done.stdout
