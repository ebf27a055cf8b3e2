"""The proxy of deploy/proxy, with its routing rules, in front of the services of a test."""

import csv
import re
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from deploy import ROOT
from deploy.local.process.owned import OwnedProcess
from deploy.local.process.ports import free_port
from tests.support.conditions import eventually
from tests.support.system import Service

CONFIGURATION = ROOT / "deploy" / "proxy" / "haproxy.cfg"
HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")


class Proxy:
    """HAProxy as it is shipped; only the address that it listens on and its servers are ours."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._statistics_port = free_port()
        self._folder = folder
        self._process: OwnedProcess | None = None

    def start(self, auths: Sequence[Service], chats: Sequence[Service]) -> None:
        """Returns once it accepts."""
        assert HAPROXY is not None
        text = rendered(CONFIGURATION.read_text(), self.port, {"auth": auths, "chat": chats})
        configuration = self._folder / "haproxy.cfg"
        configuration.write_text(text)
        statistics = self._folder / "statistics.cfg"
        statistics.write_text(
            f"global\n    stats socket ipv4@127.0.0.1:{self._statistics_port} level user\n"
        )
        command = [HAPROXY, "-db", "-f", str(configuration), "-f", str(statistics)]
        self._process = OwnedProcess(command, log=self._folder / "haproxy.log")
        eventually(self._accepts)

    def uses(self, services: Sequence[Service]) -> bool:
        """Whether its checks have found each of them ready."""
        with socket.create_connection(("127.0.0.1", self._statistics_port)) as connection:
            connection.sendall(b"show stat\n")
            reply = connection.makefile(encoding="utf-8").read()
        rows = csv.DictReader(reply.lstrip("# ").splitlines())
        ready = {row["svname"] for row in rows if row["status"].startswith("UP")}
        return ready.issuperset(service.name for service in services)

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
