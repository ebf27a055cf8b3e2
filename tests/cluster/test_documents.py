"""What the services say of themselves holds: every frame of real conversations against
`/asyncapi.json`, every reply of every endpoint against `/openapi.json`, as they are served."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import jwt
import pytest
from aiohttp import WSMsgType
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from openapi_spec_validator import OpenAPIV31SpecValidator
from yarl import URL

from deploy.local.process.ports import free_port
from tests.cluster.conftest import Launch
from tests.support.client import ChatClient, Event
from tests.support.conditions import eventually, until
from tests.support.documents import Interface, Json, Language
from tests.support.relay import Relay
from tests.support.system import PASSWORD, Person, Service, System


async def served(service: Service, path: str) -> Json:
    async with aiohttp.ClientSession() as http, http.get(f"{service.url}{path}") as reply:
        assert reply.status == 200
        document: Json = await reply.json()
        return document


async def strand(service: Service) -> None:
    """Returns once it answers; ready it will never be."""
    service.launch()

    async def answers() -> bool:
        try:
            return bool(service.failing())
        except OSError:
            return False

    await until(answers)


# The socket.


class Recorded(ChatClient):
    """A client that keeps its ops as well."""

    def __init__(self, url: str, token: str | None) -> None:
        super().__init__(url, token)
        self.ops: list[Event] = []

    async def send(self, op: str, **fields: Any) -> None:
        self.ops.append({"type": op, **fields})
        await super().send(op, **fields)

    async def ask(self, op: str, **fields: Any) -> Event:
        """Send an op and wait for its answer."""
        id = fields.setdefault("id", str(uuid4()))
        seen = len(self.events)
        await self.send(op, **fields)
        return await self.wait_for(
            lambda event: event["type"] in ANSWERS and event.get("id") == id, seen
        )


ANSWERS = ("ack", "error", "pong", "resumed")

UNSEEN_CODES = {
    "flood",  # the peer is cut off while it sends, and may see no code
    "slow_consumer",  # the peer is cut off, and whoever does not read sees no code
    "session_revoked",  # nothing ends a session that is in use
}

SETTINGS = {"PRESENCE_GRACE_SECONDS": "0.2"}
STRICT = {
    "RATE_LIMITS": "on",
    "OP_RATE": "1",
    "OP_BURST": "10",
    "AUTH_SECONDS": "0.5",
    "MAX_EMPLOYEE_CONNECTIONS": "1",
}


class Studio:
    """Where conversations are recorded: a free instance, and a strict one."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.recorded: list[Recorded] = []

    @asynccontextmanager
    async def device(
        self, person: Person | None, instance: int = 0, *, token: str | None = None
    ) -> AsyncIterator[Recorded]:
        """A socket of `person`, welcomed; without one, a socket that has not said who it is."""
        client = Recorded(self.system.chats[instance].url, token)
        self.recorded.append(client)
        await client.open(None if person is None else person.headers)
        try:
            if person is not None:
                await client.wait("welcome")
            yield client
        finally:
            await client.close()


async def talk(studio: Studio, ann: Person, bob: Person) -> str:
    """Two people use everything there is; returns their conversation."""
    async with (
        studio.device(None) as a,
        studio.device(ann) as tablet,
        studio.device(bob) as b,
    ):
        await a.send("auth", token=ann.token, id="login")
        await a.wait("welcome")
        sent = await a.ask("send", to=bob.email, text="helo", sent_at="2025-03-14T12:00:00.5+01:00")
        where = {"conversation": sent["conversation"], "message": sent["id"]}
        naive = {"id": str(uuid4()), "to": bob.email, "sent_at": "2025-03-14T12:00:00"}
        await a.ws.send_json({"type": "send", "text": "more than is documented", **naive})
        await a.wait("ack", id=naive["id"])
        await a.ask("edit", text="hello", **where)
        await b.send("typing", to=ann.email, active=True)
        await a.wait("typing", active=True)
        await b.send("typing", to=ann.email, active=False)
        await a.wait("typing", active=False)
        await b.send("mark", conversation=sent["conversation"], received=3, read=2)
        await a.wait("marker", read=2)
        await a.ask("ping")
        await a.send("ping")
        await a.wait_for(lambda event: event == {"type": "pong"})
        assert (await a.ask("auth", token=ann.token))["type"] == "ack"
        second = await a.ask("send", to=bob.email, text="a secret")
        await a.ask("delete", conversation=second["conversation"], message=second["id"])
        for device in (tablet, b):
            await device.wait("edited")
            await device.wait("deleted")
            times = [message.get("sent_at") for message in device.messages]
            assert times == ["2025-03-14T11:00:00.500000Z", "2025-03-14T12:00:00Z", None]
    return str(sent["conversation"])


async def mistakes(studio: Studio, ann: Person, bob: Person, conversation: str) -> None:
    """Every kind of error that a client can be blamed for."""
    carol = await studio.system.person("carol")
    async with studio.device(ann) as a, studio.device(carol) as c:
        sent = await a.ask("send", to=bob.email, text="mine")
        gone = await a.ask("send", to=bob.email, text="gone")
        where = {"conversation": conversation}
        await a.ask("delete", message=gone["id"], **where)
        refused = [
            await a.ask("send", to=bob.email, text=" "),
            await a.ask("send", to=bob.email, text="x", sent_at="0001-01-01T00:00:00+14:00"),
            await a.ask("send", to="ghost@example.org", text="x"),
            await a.ask("send", to=carol.email, text="x", id=sent["id"]),
            await a.ask("edit", message=gone["id"], text="x", **where),
            await a.ask("edit", message=str(uuid4()), text="x", **where),
            await a.ask("auth", token=carol.token),
            await a.ask("auth", token="no token"),
            await c.ask("edit", message=sent["id"], text="x", **where),
            await c.ask("mark", read=1, **where),
            await c.ask("resume", cursors={conversation: 0}),
        ]
        assert [error["code"] for error in refused] == [
            *("invalid_input", "invalid_input", "unknown_employee", "id_conflict"),
            *("message_deleted", "unknown_message", "forbidden", "unauthorized"),
            *("not_participant", "not_participant", "not_participant"),
        ]
        for frame in ("{", "[]", '{"type": "dance", "id": "7"}', '{"type": "typing"}'):
            seen = len(a.events)
            await a.ws.send_str(frame)
            await a.wait_for(lambda event: event["type"] == "error", seen)
    async with studio.device(bob) as b:
        assert (await b.ask("edit", message=sent["id"], text="x", **where))["code"] == "not_sender"


async def catch_up(studio: Studio, ann: Person, bob: Person, conversation: str) -> None:
    async with studio.device(bob) as b:
        resumed = await b.ask("resume", cursors={conversation: 0})
        assert resumed["conversations"][conversation]["complete"] is True
        assert {event["type"] for event in b.events} == {
            *("welcome", "message", "edited", "deleted", "resumed")
        }
        stored = b.of("message")[0]
        async with studio.device(ann) as a:  # this instance does not know what Bob has
            await a.ask("send", id=stored["id"], to=bob.email, text="once more")
            await b.wait("head", seq=stored["seq"])


async def come_and_go(studio: Studio, ann: Person, bob: Person) -> None:
    async with studio.device(bob) as b:
        # Until then it is no news that she is there.
        await until(lambda: is_offline(studio, ann))
        async with studio.device(ann):
            await b.wait("presence", employee=ann.email, status="online")
        await b.wait("presence", employee=ann.email, status="offline")


async def is_offline(studio: Studio, person: Person) -> bool:
    async with (
        aiohttp.ClientSession(studio.system.chats[0].url, headers=person.headers) as http,
        http.get("/presence", params={"employee": person.email}) as reply,
    ):
        (presence,) = (await reply.json())["presence"]
        return bool(presence["status"] == "offline")


async def expire(studio: Studio, ann: Person) -> None:
    key = load_pem_private_key(next(studio.system.keys.glob("*.pem")).read_bytes(), None)
    claims = jwt.decode(ann.token, options={"verify_signature": False})
    brief = jwt.encode(
        claims | {"exp": int(time.time()) + 3},
        key,  # type: ignore[arg-type]
        "EdDSA",
        headers=jwt.get_unverified_header(ann.token),
    )
    async with studio.device(Person(ann.email, brief, "")) as client:
        await client.wait("token_expiring")
        assert await client.closed() == 4002


async def misbehave(studio: Studio, ann: Person) -> None:
    """What ends a socket at once."""
    async with studio.device(None) as client:
        await client.send("auth", token="no token")
        assert await client.closed() == 4501
    async with studio.device(ann) as client:
        await client.ws.send_bytes(b"{}")
        assert await client.closed() == 4503
    async with studio.device(ann) as client:
        await client.ws.send_str("x" * 100_000)
        assert await client.closed() == 1009
    async with studio.device(ann) as client:
        await client.ws.send_frame(b"\xff", WSMsgType.TEXT)
        assert await client.closed() == 1007
    async with studio.device(ann) as client:
        await client.ws.send_frame(b"of nothing", WSMsgType.CONTINUATION)
        assert await client.closed() == 1002


async def meet_the_strict_instance(studio: Studio, relay: Relay, ann: Person) -> None:
    async with studio.device(None, 1) as client:
        assert await client.closed() == 4003
    async with studio.device(ann, 1) as a:
        async with studio.device(None, 1) as another:
            await another.send("auth", token=ann.token)
            assert await another.closed() == 4504
        for _ in range(20):
            await a.send("ping", id="once more")
        error = await a.wait("error", code="rate_limited")
        assert error["retry_after_ms"] > 0
        relay.cut()
        await asyncio.to_thread(eventually, lambda: "rabbitmq" in studio.system.chats[1].failing())
        relay.mend()
        await a.wait("resync")


async def knock_at_an_instance_without_keys(studio: Studio, ann: Person) -> None:
    """It came up while the auth service is away, and cannot tell who is who."""
    assert await asyncio.to_thread(studio.system.auth.stop) == 0
    strict = studio.system.chats[1]
    assert await asyncio.to_thread(strict.stop) == 0
    await strand(strict)
    async with studio.device(None, 1) as client:
        await client.send("auth", token=ann.token)
        assert await client.closed() == 1013


async def farewell(studio: Studio, ann: Person) -> None:
    async with studio.device(ann) as client:
        assert await asyncio.to_thread(studio.system.chats[0].stop) == 0
        await client.wait("going_away")
        assert await client.closed() == 1012


async def test_every_frame_of_real_conversations_is_as_documented(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    async with Relay(amqp_url) as relay:
        strict = STRICT | {"AMQP_URL": relay.url}
        system = await launch(mongo_url, amqp_url, settings=SETTINGS, instance_settings={1: strict})
        language = Language(await served(system.chats[0], "/asyncapi.json"))
        studio = Studio(system)
        ann, bob = await system.person("ann"), await system.person("bob")
        conversation = await talk(studio, ann, bob)
        await mistakes(studio, ann, bob, conversation)
        await catch_up(studio, ann, bob, conversation)
        await come_and_go(studio, ann, bob)
        await misbehave(studio, ann)
        await asyncio.gather(expire(studio, ann), meet_the_strict_instance(studio, relay, ann))
        await knock_at_an_instance_without_keys(studio, ann)
        await farewell(studio, ann)
    for client in studio.recorded:
        language.judge(client.ops, client.events, client.close_code)
    assert language.ops_seen == set(language.ops)
    assert language.events_seen == set(language.events)
    unseen = {
        name for name, code in language.close_codes.items() if code not in language.codes_seen
    }
    assert unseen == UNSEEN_CODES


# The endpoints.


class Caller:
    """Sends requests to one service and holds every reply against what the service documents."""

    def __init__(self, http: aiohttp.ClientSession, service: Service, interface: Interface) -> None:
        self.interface = interface
        self._http = http
        self._url = service.url

    async def call(
        self,
        method: str,
        path: str,
        person: Person | None = None,
        *,
        body: object = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        """The status, and the body where it is JSON. `path` is sent as it is."""
        sent = {} if person is None else dict(person.headers)
        if body is not None:
            data = json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        url = URL(f"{self._url}{path}", encoded=True)
        async with self._http.request(
            method, url, data=data, headers=sent | (headers or {})
        ) as reply:
            if reply.status == 101:
                content = b""
                reply.close()
            else:
                content = await reply.read()
            id = self.interface.operation(method, path.partition("?")[0])
            if id is not None:
                self.interface.judge(id, reply.status, reply.content_type, reply.headers, content)
                if reply.status < 300:
                    self.interface.judge_request(id, body)
            is_json = reply.content_type.endswith("json") and content
            return reply.status, json.loads(content) if is_json else None

    async def good(self, *args: Any, **more: Any) -> Any:
        status, body = await self.call(*args, **more)
        assert status < 400, body
        return body

    async def bad(self, code: str, *args: Any, **more: Any) -> None:
        status, body = await self.call(*args, **more)
        assert status >= 400
        assert body["code"] == code


@asynccontextmanager
async def caller_of(service: Service) -> AsyncIterator[Caller]:
    document = await served(service, "/openapi.json")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    # After some mistakes a service closes the connection; another request must not be on it.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as http:
        yield Caller(http, service, Interface(document))


ODD_PARTS = ("%00", "%ff", "%20", "..%2f", "a" * 2000, "%f0%9f%98%80", "%7B%7D")


async def abuse(caller: Caller, person: Person) -> None:
    """Everything that is wrong with a request whatever the operation is."""
    for id, operation in caller.interface.operations.items():
        method, template = caller.interface.place(id)
        names = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"]
        plain = template
        for name in names:
            plain = plain.replace(f"{{{name}}}", "nobody")
        who = person if "security" in operation else None
        if "security" in operation:
            await caller.bad("unauthorized", method, plain)
            for header in (
                "Bearer x",
                "Bearer",
                "Basic YTpi",
                "Bearer a.b.c",
                f"Bearer {'x' * 8000}",
            ):
                await caller.bad("unauthorized", method, plain, headers={"Authorization": header})
        if "requestBody" in operation:
            await caller.bad("unsupported_media_type", method, plain, who)
            await caller.bad("malformed_body", method, plain, who, data=b"")
            for data in (b"{", b"\xff", b"{" * 10_000):
                await caller.bad("malformed_body", method, plain, who, data=data)
            for data in (b"{}", b"[]", b"7", b"null", b'"\xff"', b'"\\ud800"', b"[" * 10_000):
                assert (await caller.call(method, plain, who, data=data))[0] >= 400
            await caller.bad("body_too_large", method, plain, who, data=b" " * 70_000)
            gzip = {"Content-Encoding": "gzip"}
            await caller.bad("malformed_body", method, plain, who, data=b"no gzip", headers=gzip)
        if any(one["in"] == "query" for one in operation.get("parameters", ())):
            await caller.bad("invalid_input", method, f"{plain}?colour=red", who)
            await caller.call(method, f"{plain}?limit=0&employee=x&id=x&before=%ff&%ff=%ff", who)
        for name in names:
            for part in ODD_PARTS:
                odd = template.replace(f"{{{name}}}", part).replace("{", "").replace("}", "")
                empty = b"{}" if "requestBody" in operation else None
                await caller.call(method, odd, who, data=empty)


async def exhaust(caller: Caller, person: Person) -> set[int]:
    """Every operation that needs a token, once, with a body that is nearly right."""
    statuses = set()
    for id, operation in caller.interface.operations.items():
        method, path = caller.interface.place(id)
        for name in ("id", "message", "email"):
            path = path.replace(f"{{{name}}}", str(uuid4()))
        if "security" in operation:
            data = b"{}" if "requestBody" in operation else None
            statuses.add((await caller.call(method, path, person, data=data))[0])
    return statuses


NEVER_BAD_IN_AUTH = {"getHealthz", "getMetrics", "getWellKnownJwksJson"}
NEVER_BAD_IN_CHAT = {"getHealthz", "getMetrics", "getAsyncapiJson"}
"""They take nothing and ask nobody, so nothing about them can be wrong."""


def assert_each_was_seen_good_and_bad(interface: Interface, never_bad: set[str]) -> None:
    good = {id for id, seen in interface.seen.items() if min(seen, default=999) < 400}
    bad = {id for id, seen in interface.seen.items() if max(seen, default=0) >= 400}
    assert good == set(interface.operations)
    assert bad == set(interface.operations) - never_bad


@pytest.fixture
async def people(system: System) -> tuple[Person, Person, Person]:
    return await system.person("ann"), await system.person("bob"), await system.person("eve")


async def test_every_reply_of_the_auth_service_is_as_documented(
    system: System, people: tuple[Person, Person, Person], launch: Launch, tmp_path: Path
) -> None:
    ann, bob, _ = people
    nowhere = f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0"
    async with caller_of(system.auth) as auth:
        carol = {"name": "Carol", "email": f"{uuid4().hex}@example.org", "password": PASSWORD}
        await auth.good("POST", "/employees", body=carol)
        full = {**carol, "email": f"{uuid4().hex}@Example.ORG", "department": "R&D", "role": "x"}
        await auth.good("POST", "/employees", body=full)
        await auth.bad("email_taken", "POST", "/employees", body=carol)
        for wrong in ({"email": "nobody"}, {"name": " "}, {"password": "short"}, {"role": "\x00"}):
            await auth.bad("invalid_input", "POST", "/employees", body=carol | wrong)
        login = {"email": carol["email"], "password": PASSWORD}
        grant = await auth.good("POST", "/login", body=login)
        wrong_login = login | {"password": "a wrong password"}
        await auth.bad("invalid_credentials", "POST", "/login", body=wrong_login)
        token = {"refresh_token": grant["refresh_token"]}
        await auth.good("POST", "/token/refresh", body=token)
        await auth.bad("invalid_credentials", "POST", "/token/refresh", body={"refresh_token": "x"})
        await auth.good("GET", "/employees/me", ann)
        await auth.good("GET", f"/employees/{bob.email}", ann)
        await auth.bad("unknown_employee", "GET", "/employees/ghost@example.org", ann)
        dora = await system.person("dora")
        await auth.good("GET", "/employees?query=d&limit=1", dora)
        changed = await auth.good("PATCH", "/employees/me", dora, body={"role": "editor"})
        assert changed["role"] == "editor"
        elsewhere = {"email": dora.email, "password": PASSWORD}
        await auth.good("POST", "/login", body=elsewhere)
        sessions = (await auth.good("GET", "/sessions", dora))["sessions"]
        other = next(one["id"] for one in sessions if not one["current"])
        await auth.good("DELETE", f"/sessions/{other}", dora)
        await auth.bad("unknown_session", "DELETE", f"/sessions/{other}", dora)
        passwords = {"current_password": PASSWORD, "new_password": f"another {PASSWORD}"}
        await auth.good("PUT", "/employees/me/password", dora, body=passwords)
        await auth.bad("invalid_credentials", "PUT", "/employees/me/password", dora, body=passwords)
        await auth.bad(
            "invalid_credentials", "DELETE", "/employees/me", dora, body={"password": "x"}
        )
        gone = {"password": passwords["new_password"]}
        await auth.good("DELETE", "/employees/me", dora, body=gone)
        await auth.good("POST", "/logout", await system.person("emil"))
        await auth.good("POST", "/logout/all", await system.person("fred"))
        revoked = "/.well-known/revoked-sessions"
        for path in (revoked, "/.well-known/jwks.json", "/healthz", "/readyz", "/metrics"):
            await auth.good("GET", path)
        await abuse(auth, ann)

        stranded = Service(
            "auth_service",
            "stranded-auth",
            tmp_path,
            {"MONGO_URL": nowhere, "SIGNING_KEYS": str(system.keys), "BCRYPT_COST": "4"},
        )
        try:
            await strand(stranded)
            async with caller_of(stranded) as lost:
                lost.interface.seen = auth.interface.seen
                assert (await lost.call("GET", "/readyz"))[0] == 503
                await lost.bad("unavailable", "POST", "/employees", body=carol)
                await lost.bad("unavailable", "POST", "/login", body=login)
                await lost.bad("unavailable", "POST", "/token/refresh", body=token)
                await lost.bad("unavailable", "GET", "/employees/me", ann)
        finally:
            stranded.kill()
    assert_each_was_seen_good_and_bad(auth.interface, NEVER_BAD_IN_AUTH)


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAECAwQFBgcICQoLDA0ODw==",
}


async def use(chat: Caller, ann: Person, bob: Person, eve: Person) -> None:
    """Every endpoint of the chat service as it is meant, and with mistakes of its own."""
    both = [ann.email, bob.email]

    def hello(**more: object) -> dict[str, object]:
        return {"participants": both, "message": {"sender": ann.email, "text": "hello"} | more}

    named = hello(id=str(uuid4()), timestamp="2025-03-14T12:00:00.123456+01:00")
    sent = await chat.good("PUT", "/messages", ann, body=named)
    assert sent["message"]["sent_at"] == "2025-03-14T11:00:00.123000Z"
    assert await chat.good("PUT", "/messages", ann, body=named) == sent
    await chat.good("PUT", "/messages", ann, body=hello())
    await chat.bad("invalid_input", "PUT", "/messages", ann, body=hello(text=""))
    early = hello(timestamp="0001-01-01T00:00:00+14:00")
    await chat.bad("invalid_input", "PUT", "/messages", ann, body=early)
    await chat.bad("sender_mismatch", "PUT", "/messages", ann, body=hello(sender=bob.email))
    await chat.bad("not_participant", "PUT", "/messages", eve, body=hello(sender=eve.email))
    ghost = {"participants": [ann.email, "ghost@example.org"]}
    await chat.bad("unknown_employee", "PUT", "/messages", ann, body=hello() | ghost)
    id = named["message"]["id"]  # type: ignore[index]
    await chat.bad("id_conflict", "PUT", "/messages", bob, body=hello(id=id, sender=bob.email))

    conversation = sent["conversation"]
    messages = f"/conversations/{conversation}/messages"
    gone = await chat.good("PUT", "/messages", ann, body=hello())
    gone_id = gone["message"]["id"]
    await chat.good("PATCH", f"{messages}/{id}", ann, body={"text": "hello!", "id": str(uuid4())})
    await chat.good("DELETE", f"{messages}/{gone_id}?id={uuid4()}", ann)
    await chat.bad("message_deleted", "PATCH", f"{messages}/{gone_id}", ann, body={"text": "x"})
    await chat.bad("not_sender", "PATCH", f"{messages}/{id}", bob, body={"text": "x"})
    await chat.bad("not_sender", "DELETE", f"{messages}/{id}", bob)
    await chat.bad("not_participant", "DELETE", f"{messages}/{id}", eve)
    await chat.bad("unknown_message", "DELETE", f"{messages}/{uuid4()}", ann)
    await chat.bad("unknown_message", "DELETE", f"{messages}/x", ann)

    history = await chat.good("POST", "/messages", bob, body={"participants": both})
    assert [message.get("text") for message in history["messages"]] == ["hello!", "hello", None]
    page = {"participants": both, "after": 1, "before": 3, "limit": 1}
    await chat.good("POST", "/messages", bob, body=page)
    strangers = {"participants": [ann.email, eve.email]}
    await chat.good("POST", "/messages", eve, body=strangers)
    await chat.bad("not_participant", "POST", "/messages", eve, body=page)
    await chat.bad("invalid_input", "POST", "/messages", bob, body=page | {"limit": 0})

    markers = f"/conversations/{conversation}/markers"
    await chat.good("PUT", markers, bob, body={"received": 2, "read": 1})
    await chat.bad("invalid_input", "PUT", markers, bob, body={})
    await chat.bad("not_participant", "PUT", markers, eve, body={"read": 1})

    await chat.good(
        "PUT",
        "/messages",
        ann,
        body={
            "participants": [ann.email, eve.email],
            "message": {"sender": ann.email, "text": "hello, Eve"},
        },
    )
    listed = await chat.good("GET", "/conversations?limit=1", ann)
    await chat.good("GET", f"/conversations?before={listed['next']}", ann)
    await chat.bad("invalid_input", "GET", "/conversations?before=x", ann)
    asked = f"employee={ann.email}&employee={bob.email}&employee=ghost@example.org"
    await chat.good("GET", f"/presence?{asked}", ann)
    await chat.bad("invalid_input", "GET", "/presence", ann)
    await chat.bad("invalid_input", "GET", "/presence?employee=x", ann)


async def open_sockets(chat: Caller, ann: Person) -> None:
    assert (await chat.call("GET", "/ws", ann, headers=UPGRADE))[0] == 101
    assert (await chat.call("GET", "/ws", headers=UPGRADE))[0] == 101
    await chat.bad("unauthorized", "GET", "/ws", headers={**UPGRADE, "Authorization": "Bearer x"})
    foreign = {**UPGRADE, "Origin": "https://elsewhere.example"}
    await chat.bad("foreign_origin", "GET", "/ws", ann, headers=foreign)
    await chat.bad("upgrade_required", "GET", "/ws", ann)
    wrong_key = {**UPGRADE, "Sec-WebSocket-Key": "x"}
    await chat.bad("malformed_request", "GET", "/ws", headers=wrong_key)


async def test_every_reply_of_the_chat_service_is_as_documented(
    system: System, people: tuple[Person, Person, Person], amqp_url: str, tmp_path: Path
) -> None:
    nowhere = f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0"
    ann, bob, eve = people
    async with caller_of(system.chats[0]) as chat:
        await use(chat, ann, bob, eve)
        await open_sockets(chat, ann)
        for path in ("/healthz", "/readyz", "/metrics", "/asyncapi.json"):
            await chat.good("GET", path)
        unchanged = {"If-None-Match": "*"}
        assert (await chat.call("GET", "/asyncapi.json", headers=unchanged))[0] == 304
        await abuse(chat, ann)

        stranded = Service(
            "chat_service",
            "stranded-chat",
            tmp_path,
            {
                "MONGO_URL": nowhere,
                "AMQP_URL": amqp_url,
                "AUTH_URL": system.auth.url,
                "INSTANCE_ID": tmp_path.name,
                "OP_RATE": "0.01",
                "OP_BURST": "10",
            },
        )
        try:
            await strand(stranded)
            async with caller_of(stranded) as lost:
                lost.interface.seen = chat.interface.seen
                assert (await lost.call("GET", "/readyz"))[0] == 503
                await lost.bad("unavailable", "GET", "/conversations", ann)
                presence = f"/presence?employee={ann.email}"
                await lost.bad("unavailable", "GET", presence, ann)
                body = {"participants": [ann.email, bob.email]}
                await lost.bad("unavailable", "POST", "/messages", ann, body=body)
                message = {"sender": ann.email, "text": "hello"}
                sent = body | {"message": message}
                await lost.bad("unavailable", "PUT", "/messages", ann, body=sent)
                await exhaust(lost, ann)
                assert await exhaust(lost, ann) == {429}
        finally:
            stranded.kill()
    assert_each_was_seen_good_and_bad(chat.interface, NEVER_BAD_IN_CHAT)
