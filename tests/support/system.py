"""A whole system of real processes, for tests: start it, use it, hurt it."""

import json
import os
import sys
import urllib.request
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from urllib.error import URLError

import aiohttp
from msgspec import Struct

from deploy import ROOT
from deploy.local.process.owned import OwnedProcess
from deploy.local.process.ports import free_port
from deploy.local.process.server import Server
from tests.support.client import ChatClient
from tests.support.conditions import eventually

PASSWORD = "correct horse battery"
START_SECONDS = 60.0


class Person(Struct, frozen=True):
    """An employee who signed up and logged in."""

    email: str
    token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class Service(Server):
    """One process of ours; its port stays the same over restarts. A change of its `environment`
    takes effect with the next one."""

    STOP_SECONDS = 60.0

    def __init__(
        self, module: str, name: str, folder: Path, environment: Mapping[str, str]
    ) -> None:
        super().__init__()
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"{name}.log"
        self._module = module
        self.environment = {
            **os.environ,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "LOG_LEVEL": "DEBUG",
            **environment,
        }

    def start(self) -> None:
        """Returns once it is ready."""
        self.launch()
        eventually(self.is_ready, START_SECONDS)

    def launch(self) -> None:
        self._process = OwnedProcess(
            [sys.executable, "-m", self._module], log=self.log, env=self.environment, cwd=ROOT
        )

    def is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.running, f"{self.name} ended:\n{self._process.tail(40)}"
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as reply:
                return bool(reply.status == 200)
        except (URLError, OSError):
            return False

    def failing(self) -> dict[str, str]:
        """What `/readyz` says is missing."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as reply:
                return dict(json.load(reply)["failing"])
        except urllib.error.HTTPError as error:
            return dict(json.load(error)["failing"])


class System:
    """Auth replicas and chat instances on one MongoDB and one RabbitMQ; `auth` is the first of the
    replicas, and the one that the chat instances ask."""

    def __init__(
        self,
        folder: Path,
        mongo_url: str,
        amqp_url: str,
        *,
        instances: int = 2,
        replicas: int = 1,
        settings: Mapping[str, str] | None = None,
        instance_settings: Mapping[int, Mapping[str, str]] | None = None,
    ) -> None:
        tag = folder.name[-24:]
        common = {
            "MONGO_URL": mongo_url,
            "AMQP_URL": amqp_url,
            "RATE_LIMITS": "off",
            "MAX_WAIT_SECONDS": "30",  # however slow the machine is
            **(settings or {}),
        }
        self.keys = folder / "keys"
        self.auth_database = f"auth_{tag}"
        self.auths = [
            Service(
                "auth_service",
                f"auth-{number}",
                folder,
                {
                    **common,
                    "MONGO_DATABASE": self.auth_database,
                    "SIGNING_KEYS": str(self.keys),
                    "BCRYPT_COST": "4",
                },
            )
            for number in range(1, replicas + 1)
        ]
        self.auth = self.auths[0]
        self.chat_database = f"chat_{tag}"
        self.chats = [
            Service(
                "chat_service",
                f"chat-{number}",
                folder,
                {
                    **common,
                    "MONGO_DATABASE": self.chat_database,
                    "AUTH_URL": self.auth.url,
                    "PUBLIC_AUTH_URL": self.auth.url,
                    "INSTANCE_ID": f"chat-{number}-{tag}",
                    **(instance_settings or {}).get(number - 1, {}),
                },
            )
            for number in range(1, instances + 1)
        ]
        self._numbers = count(1)

    @property
    def services(self) -> list[Service]:
        return [*self.auths, *self.chats]

    def start(self) -> None:
        for service in self.services:
            service.launch()
        for service in self.services:
            eventually(service.is_ready, START_SECONDS)

    def kill(self) -> None:
        for service in self.services:
            service.kill()

    def restart_chats(self) -> None:
        for chat in self.chats:
            assert chat.stop() == 0
        for chat in self.chats:
            chat.start()

    async def person(self, name: str = "ann") -> Person:
        """A new employee, logged in."""
        email = f"{name}.{next(self._numbers)}@example.org"
        async with aiohttp.ClientSession(self.auth.url) as http:
            body = {"name": name.title(), "email": email, "password": PASSWORD}
            async with http.post("/employees", json=body) as reply:
                assert reply.status == 201, await reply.text()
            login = {"email": email, "password": PASSWORD}
            async with http.post("/login", json=login) as reply:
                assert reply.status == 200, await reply.text()
                tokens = await reply.json()
        return Person(email, tokens["access_token"], tokens["refresh_token"])

    def connect(self, person: Person, instance: int = 0) -> ChatClient:
        """A WebSocket of `person` at an instance: `async with system.connect(ann) as client`."""
        return ChatClient(self.chats[instance].url, person.token)

    async def send(
        self, sender: Person, to: Person, text: str, *, id: str | None = None, instance: int = 0
    ) -> tuple[int, dict[str, object]]:
        """`PUT /messages`: the status and the body."""
        message = {"sender": sender.email, "text": text} | ({"id": id} if id else {})
        body = {"participants": [sender.email, to.email], "message": message}
        async with (
            aiohttp.ClientSession(self.chats[instance].url) as http,
            http.put("/messages", json=body, headers=sender.headers) as reply,
        ):
            return reply.status, await reply.json()

    async def history(
        self, reader: Person, other: Person, *, instance: int = 0, page: int = 200
    ) -> list[dict[str, object]]:
        """The whole history, read page by page."""
        messages: list[dict[str, object]] = []
        async with aiohttp.ClientSession(self.chats[instance].url) as http:
            while True:
                body = {
                    "participants": [reader.email, other.email],
                    "after": messages[-1]["seq"] if messages else 0,
                    "limit": page,
                }
                async with http.post("/messages", json=body, headers=reader.headers) as reply:
                    assert reply.status == 200, await reply.text()
                    history = await reply.json()
                messages += history["messages"]
                if not history["has_more"]:
                    return messages
