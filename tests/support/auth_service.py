"""A running auth service as a client sees it."""

import asyncio
from typing import Any, Protocol, Self

import msgspec
from aiohttp.test_utils import TestClient, TestServer

from auth_service.app import create_app
from auth_service.settings import AuthSettings
from tests.support.conditions import until

PASSWORD = "correct horse battery"


class Reply(msgspec.Struct, frozen=True):
    """What came back; `body` is decoded JSON, or None."""

    status: int
    headers: dict[str, str]
    text: str
    body: Any

    @property
    def code(self) -> str | None:
        """The stable code of a problem."""
        return self.body.get("code") if isinstance(self.body, dict) else None

    @property
    def paths(self) -> list[str]:
        """The fields that a problem names."""
        return [problem["path"] for problem in self.body.get("errors", ())]


class AuthService:
    """Serves while it is entered."""

    def __init__(self, settings: AuthSettings) -> None:
        self._client = TestClient(TestServer(create_app(settings)))
        self.sent: list[Reply] = []

    @property
    def url(self) -> str:
        return str(self._client.make_url("")).rstrip("/")

    async def __aenter__(self) -> Self:
        await self._client.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        data: bytes | None = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """`body` is sent as JSON, `data` as it is; `token` as the bearer."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            data = msgspec.json.encode(body)
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self._client.request(method, path, data=data, headers=sent) as response:
            text = await response.text()
            decoded = msgspec.json.decode(text) if "json" in response.content_type else None
            reply = Reply(response.status, dict(response.headers), text, decoded)
        self.sent.append(reply)
        return reply

    async def send(self, data: bytes) -> int:
        """The status of the reply to a request that no HTTP library would send; it has to ask for
        the end of the connection."""
        server = self._client.server
        reader, writer = await asyncio.open_connection(server.host, server.port)
        try:
            writer.write(data)
            status = (await reader.read()).split(b" ", 2)[1]
        finally:
            writer.close()
            await writer.wait_closed()
        return int(status)

    async def get(self, path: str, *, token: str | None = None) -> Reply:
        return await self.request("GET", path, token=token)

    async def sign_up(self, email: str, **fields: object) -> Reply:
        new = {"name": "Alice Jones", "email": email, "password": PASSWORD} | fields
        return await self.request("POST", "/employees", body=new)

    async def log_in(
        self, email: str, password: str = PASSWORD, *, address: str | None = None
    ) -> Reply:
        """`address` is where a trusted proxy says it comes from."""
        headers = {} if address is None else {"X-Forwarded-For": address}
        body = {"email": email, "password": password}
        return await self.request("POST", "/login", body=body, headers=headers)

    async def refresh(self, refresh_token: str) -> Reply:
        return await self.request("POST", "/token/refresh", body={"refresh_token": refresh_token})

    async def member(self, email: str) -> Any:
        """Somebody who has signed up and logged in: the body of the login's reply."""
        assert (await self.sign_up(email)).status == 201
        reply = await self.log_in(email)
        assert reply.status == 200
        return reply.body

    async def ready(self) -> None:
        await until(self._is_ready)

    async def _is_ready(self) -> bool:
        return (await self.get("/readyz")).status == 200


class Starter(Protocol):
    """Starts one more service; without `ready` it may still be waiting for its database."""

    async def __call__(self, settings: AuthSettings, *, ready: bool = True) -> AuthService: ...
