"""TCP ports on this machine: a free one, and who listens on a taken one."""

import random
import socket

import psutil

from deploy.local.process.owned import ServerError

# Below the range from which Linux and macOS number outgoing connections: a client that keeps
# trying to reach a stopped server in that range would sooner or later take its port, or even
# connect to itself.
FREE_PORTS = range(20_000, 32_000)


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
    holder = listener(port)
    by = f" by {_program(holder)} (pid {holder.pid})" if holder else ""
    raise PortTaken(
        f"Port {port}, which {wanted_by} needs, is taken{by}."
        f" Stop that, or choose another port with {setting}."
    )


def listener(port: int) -> psutil.Process | None:
    """The process that listens on a port, where the system tells."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr
            if listens and listens.port == port and connection.pid is not None:
                return psutil.Process(connection.pid)
    except psutil.Error:
        pass  # ended meanwhile, or not ours to look at
    return None


def _program(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:80] or process.name()
    except psutil.Error:
        return "a process"
