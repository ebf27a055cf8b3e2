"""What tests ask of the auth replicas and the chat instances of a system, over HTTP."""

import time
from typing import Any
from urllib.parse import quote

import aiohttp
import jwt
from msgspec import Struct

from tests.support.client import ChatClient
from tests.support.system import PASSWORD, Person, Service, System


class Reply(Struct, frozen=True):
    status: int
    body: Any

    @property
    def code(self) -> str | None:
        return self.body.get("code") if isinstance(self.body, dict) else None


async def ask(
    service: Service,
    method: str,
    path: str,
    *,
    body: object = None,
    token: str | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    sent = dict(headers or {})
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    async with (
        aiohttp.ClientSession(service.url) as http,
        http.request(method, path, json=body, headers=sent) as reply,
    ):
        decoded = (
            await reply.json(content_type=None) if reply.content_type.endswith("json") else None
        )
        return Reply(reply.status, decoded)


async def logged_in(system: System, email: str, *, replica: int = 0) -> Person:
    """One more session of an employee."""
    login = {"email": email, "password": PASSWORD}
    reply = await ask(system.auths[replica], "POST", "/login", body=login)
    assert reply.status == 200, reply
    return Person(email, reply.body["access_token"], reply.body["refresh_token"])


async def refreshed(system: System, refresh_token: str, *, replica: int = 0) -> Reply:
    body = {"refresh_token": refresh_token}
    return await ask(system.auths[replica], "POST", "/token/refresh", body=body)


async def accepts(chat: Service, person: Person) -> bool:
    """Whether a chat instance believes the token, over REST."""
    reply = await ask(chat, "GET", "/conversations", token=person.token)
    assert reply.status in (200, 401), reply
    return reply.status == 200


async def assert_closed_as_revoked(client: ChatClient, since: float) -> None:
    """The socket ends with 4502, within a second of `since` (monotonic)."""
    assert await client.closed() == 4502
    assert time.monotonic() - since < 1.0


def sid_of(person: Person) -> str:
    claims = jwt.decode(person.token, options={"verify_signature": False})
    return quote(str(claims["sid"]))
