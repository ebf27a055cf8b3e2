"""The services that run-all starts: their ports and their environment."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.process.owned import ServerError

HOST = "127.0.0.1"
MOST_PORT = 65_535
# Development servers of web front ends usually listen at these.
FRONT_END_ORIGINS = ("http://localhost:3000", "http://localhost:5173")


@dataclass(frozen=True)
class Ports:
    """Each from the environment variable of its name, CHAT_PORT being the first chat instance's."""

    auth_port: int
    chat_port: int
    mongo_port: int
    rabbitmq_port: int


@dataclass(frozen=True)
class Service:
    name: str
    module: str
    port: int
    environment: Mapping[str, str]

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", self.module]


def ports_from(environ: Mapping[str, str]) -> Ports:
    return Ports(
        auth_port=number_from(environ, "AUTH_PORT", 8001, MOST_PORT),
        chat_port=number_from(environ, "CHAT_PORT", 8002, MOST_PORT),
        mongo_port=number_from(environ, "MONGO_PORT", 27117, MOST_PORT),
        rabbitmq_port=number_from(environ, "RABBITMQ_PORT", 5772, MOST_PORT),
    )


def number_from(environ: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A positive number from the environment; ServerError names the variable that holds none."""
    text = environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise ServerError(f"{name} is {text!r}; it has to be a number from 1 to {most}.")
    return int(text)


def plan(
    environ: Mapping[str, str],
    ports: Ports,
    instances: int,
    mongo_url: str,
    amqp_url: str,
    keys: Path,
) -> list[Service]:
    """One auth service and the chat instances. `keys` is the folder of the signing keys."""
    chat_ports = range(ports.chat_port, ports.chat_port + instances)
    origins = [
        f"http://{host}:{port}" for host in ("localhost", "127.0.0.1") for port in chat_ports
    ]
    auth_url = f"http://{HOST}:{ports.auth_port}"
    defaults = {
        "CORS_ORIGINS": ",".join([*origins, *FRONT_END_ORIGINS]),
        "LOG_FORMAT": "console",
        "PUBLIC_AUTH_URL": f"http://localhost:{ports.auth_port}",
    }
    common = (
        defaults
        | dict(environ)
        | {
            "HOST": HOST,
            "MONGO_URL": mongo_url,
            "AMQP_URL": amqp_url,
            "PYTHONUNBUFFERED": "1",
        }
    )
    auth = Service(
        "auth",
        "auth_service",
        ports.auth_port,
        common
        | {
            "PORT": str(ports.auth_port),
            "MONGO_DATABASE": "messaging_auth",
            "SIGNING_KEYS": str(keys),
        },
    )
    chats = [
        Service(
            f"chat-{number}",
            "chat_service",
            port,
            common
            | {
                "PORT": str(port),
                "MONGO_DATABASE": "messaging_chat",
                "AUTH_URL": auth_url,
                "INSTANCE_ID": f"chat-{number}",
            },
        )
        for number, port in enumerate(chat_ports, start=1)
    ]
    return [auth, *chats]
