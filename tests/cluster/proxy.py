"""The proxy of deploy/proxy, with its routing rules, in front of the services of a test."""

import re
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from deploy.local.owned_process import OwnedProcess
from deploy.local.ports import free_port
from tests.cluster.system import ROOT, Service
from tests.conditions import eventually

CONFIGURATION = ROOT / "deploy" / "proxy" / "haproxy.cfg"
HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")


class Proxy:
    """HAProxy as it is shipped; only the address that it listens on and its servers are ours."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: OwnedProcess | None = None

    def start(self, auths: Sequence[Service], chats: Sequence[Service]) -> None:
        """Returns once it accepts."""
        assert HAPROXY is not None
        text = rendered(CONFIGURATION.read_text(), self.port, {"auth": auths, "chat": chats})
        configuration = self._folder / "haproxy.cfg"
        configuration.write_text(text)
        log = self._folder / "haproxy.log"
        self._process = OwnedProcess([HAPROXY, "-db", "-f", str(configuration)], log=log)
        eventually(self._accepts)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _accepts(self) -> bool:
        assert self._process is not None
        assert self._process.running, self._process.tail()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def rendered(text: str, port: int, servers: dict[str, Sequence[Service]]) -> str:
    """The shipped configuration, listening on `port`, with these servers in its backends."""
    bind = re.compile(r"^    bind .*$", re.MULTILINE)
    text, listening = bind.subn(f"    bind 127.0.0.1:{port}", text)
    assert listening == 1
    for backend, services in servers.items():
        lines = "".join(f"    server {each.name} 127.0.0.1:{each.port}\n" for each in services)
        section = re.compile(
            rf"(^backend {backend}\n(?:    (?!server ).*\n)*)(?:    server .*\n)+", re.MULTILINE
        )
        text, replaced = section.subn(rf"\g<1>{lines}", text)
        assert replaced == 1
    return text
