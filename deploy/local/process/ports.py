"""TCP ports on this machine: a free one, and who holds a taken one."""

import os
import random
import socket
from pathlib import Path

from deploy.local.process.owned import ServerError

# Below the range from which Linux and macOS number outgoing connections: a client that keeps
# trying to reach a stopped server in that range would sooner or later take its port, or even
# connect to itself.
FREE_PORTS = range(20_000, 32_000)
LISTEN = "0A"


class PortTaken(ServerError):
    """Something else listens where one of ours should."""


def free_port() -> int:
    """A port that nothing listens on now."""
    while True:
        port = random.choice(FREE_PORTS)
        if is_free(port):
            return port


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        # As servers do: the remains of closed connections are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def require_free(port: int, wanted_by: str, setting: str) -> None:
    """Raises PortTaken, which says who holds the port and which setting chooses another."""
    if is_free(port):
        return
    holder = holder_of(port)
    raise PortTaken(
        f"Port {port}, which {wanted_by} needs, is taken"
        + (f" by {holder}" if holder else "")
        + f". Stop that, or choose another port with {setting}."
    )


def holder_of(port: int) -> str | None:
    """`program (pid 123)` of the process listening on a port, where /proc tells."""
    sockets = _listening_sockets(port)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for descriptor in (process / "fd").iterdir():
                if os.readlink(descriptor) in sockets:
                    return f"{_program(process)} (pid {process.name})"
        except OSError:
            continue  # ended meanwhile, or not ours to look at
    return None


def _listening_sockets(port: int) -> set[str]:
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            # Columns as in proc(5): sl local_address rem_address st … inode (the tenth).
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == LISTEN:
                found.add(f"socket:[{fields[9]}]")
    return found


def _program(process: Path) -> str:
    arguments = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    return " ".join(arguments).strip()[:80] or (process / "comm").read_text().strip()
