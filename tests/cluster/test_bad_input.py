"""Bad input gets a clear error, stores nothing, and leaves everybody else alone."""

import json
from typing import Any

import aiohttp
import pytest

from tests.fault.fuzz.peer import Peer
from tests.fault.fuzz.wire import frame
from tests.support.client import ChatClient
from tests.support.system import Person, System
from tests.support.tokens import ATTACKS, forge

ID = "6f2c1a52-0f5e-4c39-9d5c-0d8f6c1b7a10"


@pytest.fixture
async def ann(system: System) -> Person:
    return await system.person("ann")


@pytest.fixture
async def bob(system: System) -> Person:
    return await system.person("bob")


async def put(system: System, person: Person, body: Any) -> tuple[int, dict[str, Any]]:
    """`PUT /messages` with a body, or with bytes as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {**person.headers, "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession(system.chats[0].url) as http,
        http.put("/messages", data=data, headers=headers) as reply,
    ):
        problem = await reply.json(content_type=None)
        assert reply.headers["X-Request-ID"]
        if reply.status >= 400:
            assert reply.content_type == "application/problem+json"
            assert problem["request_id"] == reply.headers["X-Request-ID"]
        return reply.status, problem


TEXTS = {
    "empty": "",
    "blank": " \n\t ",
    "too long": "x" * 4001,
    "NUL": "a\x00b",
    "escape": "\x1b[31mred",
    "zero-width space": "\u200b",
    "Hangul filler": "\u3164",
    "Braille blank": "\u2800",
    "an override without an end": "\u202eevil",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
async def test_a_text_that_is_none_is_refused_and_not_stored(
    system: System, ann: Person, bob: Person, text: str
) -> None:
    status, problem = await system.send(ann, bob, text)
    assert (status, problem["code"]) == (422, "invalid_input")
    assert problem["errors"][0]["path"] == "$.message.text"  # type: ignore[index]
    async with system.connect(ann) as client:
        error = await client.said(bob.email, text, ID)
        assert (error["type"], error["code"], error["id"]) == ("error", "invalid_input", ID)
    assert await system.history(ann, bob) == []


async def test_the_longest_text_is_stored_as_it_is(
    system: System, ann: Person, bob: Person
) -> None:
    text = "𝔘" * 4000
    assert (await system.send(ann, bob, text))[0] == 201
    assert [message["text"] for message in await system.history(bob, ann)] == [text]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed_body"),
        (b"{", 400, "malformed_body"),
        (b"[" * 60_000, 422, "invalid_input"),
        (b'{"participants": ["\xff"]}', 400, "malformed_body"),
        (b'{"participants": ["a@b.c", "d@e.f"], "message": "hello"}', 422, "invalid_input"),
        (b'{"participants": "a@b.c"}', 422, "invalid_input"),
        (b"{}", 422, "invalid_input"),
        (b" " * 65_534 + b"{}", 422, "invalid_input"),
        (b" " * 65_535 + b"{}", 413, "body_too_large"),
        (b'{"padding": "%s"}' % (b"x" * 70_000), 413, "body_too_large"),
    ],
)
async def test_a_body_that_is_not_the_schema_is_refused(
    system: System, ann: Person, body: bytes, status: int, code: str
) -> None:
    answer, problem = await put(system, ann, body)
    assert (answer, problem["code"]) == (status, code)


async def test_lone_surrogates_are_not_json(system: System, ann: Person, bob: Person) -> None:
    for escape in ("\\ud800", "\\udc00 \\ud800"):
        message = {"sender": ann.email, "text": "?"}
        body = json.dumps({"participants": [ann.email, bob.email], "message": message})
        status, problem = await put(system, ann, body.replace("?", escape).encode())
        assert (status, problem["code"]) == (400, "malformed_body")
    assert await system.history(ann, bob) == []


async def test_every_field_is_checked_and_named(system: System, ann: Person, bob: Person) -> None:
    def body(**changes: Any) -> dict[str, Any]:
        message = {"sender": ann.email, "text": "hello"} | changes.pop("message", {})
        return {"participants": [ann.email, bob.email], "message": message} | changes

    carol = "carol@example.org"
    cases: list[tuple[dict[str, Any], int, str, str]] = [
        (body(participants=[ann.email, bob.email, carol]), 422, "invalid_input", "$.participants"),
        (body(participants=[ann.email]), 422, "invalid_input", "$.participants"),
        (body(participants=[ann.email, ann.email]), 422, "invalid_input", "$.participants"),
        (
            body(participants=[ann.email, ann.email.upper()]),
            422,
            "invalid_input",
            "$.participants",
        ),
        (body(participants=[ann.email, "no address"]), 422, "invalid_input", "$.participants[1]"),
        (body(message={"text": 5}), 422, "invalid_input", "$.message.text"),
        (body(message={"sender": None}), 422, "invalid_input", "$.message.sender"),
        (body(message={"id": "17"}), 422, "invalid_input", "$.message.id"),
        (body(message={"timestamp": "yesterday"}), 422, "invalid_input", "$.message.timestamp"),
        (body(message={"colour": "red"}), 422, "invalid_input", "$.message"),
        (body(colour="red"), 422, "invalid_input", "$"),
    ]
    for wrong, status, code, path in cases:
        answer, problem = await put(system, ann, wrong)
        assert (answer, problem["code"]) == (status, code), wrong
        assert [error["path"] for error in problem["errors"]] == [path], wrong
    assert await system.history(ann, bob) == []


async def test_nobody_speaks_for_another(system: System, ann: Person, bob: Person) -> None:
    carol = await system.person("carol")
    foreign = {
        "participants": [ann.email, bob.email],
        "message": {"sender": bob.email, "text": "I owe you a million"},
    }
    status, problem = await put(system, ann, foreign)
    assert (status, problem["code"]) == (403, "sender_mismatch")
    status, problem = await put(
        system, carol, foreign | {"message": {"sender": carol.email, "text": "hello"}}
    )
    assert (status, problem["code"]) == (403, "not_participant")
    assert await system.history(ann, bob) == []


async def test_an_id_that_names_another_message_is_refused(
    system: System, ann: Person, bob: Person
) -> None:
    carol = await system.person("carol")
    async with system.connect(ann) as client:
        ack = await client.said(bob.email, "hello")
        error = await client.said(carol.email, "hello", ack["id"])
        assert (error["code"], error["id"]) == ("id_conflict", ack["id"])
    status, problem = await system.send(bob, ann, "hello", id=ack["id"])
    assert (status, problem["code"]) == (409, "id_conflict")


async def test_somebody_who_does_not_exist_cannot_be_written_to(
    system: System, ann: Person
) -> None:
    ghost = Person("ghost@example.org", "", "")
    status, problem = await system.send(ann, ghost, "hello")
    assert (status, problem["code"]) == (404, "unknown_employee")
    async with system.connect(ann) as client:
        error = await client.said(ghost.email, "hello")
        assert (error["type"], error["code"]) == ("error", "unknown_employee")


async def test_only_participants_read_a_conversation(
    system: System, ann: Person, bob: Person
) -> None:
    carol = await system.person("carol")
    async with system.connect(ann) as client:
        conversation = (await client.said(bob.email, "secret"))["conversation"]
    async with aiohttp.ClientSession(system.chats[0].url) as http:
        body = {"participants": [ann.email, bob.email]}
        async with http.post("/messages", json=body, headers=carol.headers) as reply:
            assert reply.status == 403
            assert (await reply.json())["code"] == "not_participant"
    async with system.connect(carol) as client:
        error = await client.resume({conversation: 0})
        assert error["code"] == "not_participant"
        assert client.messages == []


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_bad_token_opens_nothing(
    system: System, ann: Person, bob: Person, attack: str
) -> None:
    token = forge(attack, ann.token, system.keys)
    status, problem = await system.send(Person(ann.email, token, ""), bob, "hello")
    assert (status, problem["code"]) == (401, "unauthorized")
    client = ChatClient(system.chats[0].url, None)
    await client.open()
    await client.send("auth", token=token)
    assert await client.closed() == 4501
    assert [event["code"] for event in client.events] == ["unauthorized"]
    await client.close()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.open({"Authorization": f"Bearer {token}"})
    assert refused.value.status == 401
    assert await system.history(ann, bob) == []


async def test_a_token_of_100_kb_opens_nothing(system: System, ann: Person) -> None:
    token = forge("expired", ann.token, system.keys) + "x" * 100_000
    client = ChatClient(system.chats[0].url, None)
    await client.open()
    await client.send("auth", token=token)
    assert await client.closed() == 1009
    await client.close()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.open({"Authorization": f"Bearer {token}"})
    assert refused.value.status == 401


async def test_a_request_without_token_is_refused(system: System) -> None:
    async with aiohttp.ClientSession(system.chats[0].url) as http:
        for method in (http.put, http.post):
            async with method("/messages", json={}) as reply:
                assert reply.status == 401
                assert reply.headers["WWW-Authenticate"].startswith("Bearer")
                assert (await reply.json())["code"] == "unauthorized"


async def test_the_first_op_must_be_auth(system: System, bob: Person) -> None:
    client = ChatClient(system.chats[0].url, None)
    await client.open()
    await client.say(bob.email, "hello", ID)
    assert await client.closed() == 4501
    assert [event["code"] for event in client.events] == ["unauthorized"]
    await client.close()


async def test_binary_frames_are_a_protocol_violation(system: System, ann: Person) -> None:
    async with system.connect(ann) as client:
        await client.ws.send_bytes(b'{"type": "ping"}')
        assert await client.closed() == 4503


async def test_a_frame_of_a_megabyte_closes_with_1009(system: System, ann: Person) -> None:
    async with system.connect(ann) as client:
        await client.ws.send_str("x" * 1_000_000)
        assert await client.closed() == 1009


async def test_a_foreign_origin_cannot_connect(system: System, ann: Person) -> None:
    own = system.chats[0].url
    for origin in ("https://evil.example", f"{own}1", f"{own}@evil.example", "null"):
        client = ChatClient(own, ann.token, origin=origin)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.open()
        assert refused.value.status == 403
    async with ChatClient(own, ann.token, origin=own):
        pass


async def test_its_own_page_connects_where_a_proxy_ends_tls(system: System, ann: Person) -> None:
    own = system.chats[0].url.replace("http://", "https://")
    async with ChatClient(system.chats[0].url, ann.token, origin=own):
        pass


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", "malformed_body"),
        ("{", "malformed_body"),
        ("[" * 50_000, "invalid_input"),
        ("null", "invalid_input"),
        ("{}", "invalid_input"),
        ('{"type": "dance"}', "invalid_input"),
        ('{"type": "ping", "colour": "red"}', "invalid_input"),
        ('{"type": "typing", "to": "x@example.org"}', "invalid_input"),
        ('{"type": "send", "id": "17", "to": "x@example.org", "text": "x"}', "invalid_input"),
        (f'{{"type": "send", "id": "{ID}", "to": "nobody", "text": "x"}}', "invalid_input"),
        ('{"type": "resume", "cursors": {"x": -1}}', "invalid_input"),
        ('{"type": "resume", "cursors": {"x": 1e300}}', "invalid_input"),
    ],
)
async def test_a_frame_that_is_no_op_gets_an_error_and_the_socket_lives(
    system: System, ann: Person, frame: str, code: str
) -> None:
    async with system.connect(ann) as client:
        await client.ws.send_str(frame)
        assert (await client.wait("error"))["code"] == code
        await client.ping()


async def test_an_error_repeats_the_id_of_an_op_that_did_not_decode(
    system: System, ann: Person
) -> None:
    async with system.connect(ann) as client:
        await client.ws.send_str('{"type": "send", "id": "my-17", "to": 5}')
        assert (await client.wait("error"))["id"] == "my-17"


async def test_no_secret_is_in_any_log(system: System, ann: Person, bob: Person) -> None:
    async with system.connect(ann) as client:
        await client.said(bob.email, "a private matter")
    for service in (system.auth, *system.chats):
        log = service.log.read_text()
        for secret in (ann.token, ann.refresh_token, "$2b$", "correct horse", "a private matter"):
            assert secret not in log


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":"send","id":"%s","to":"b@example.org","text":"half \\ud83d emoji"}',
        b'{"id" : "%s","type":"send","to":"b@example.org","text":"cut',
        b'{"type":"send","id":"%s","id":"%s","to":"b@example.org","text":"twice"}',
        b'{"type":"send","to":"b@example.org","text":1,"id":"%s"}',
    ],
)
async def test_an_error_names_its_op_whatever_is_wrong_with_the_frame(
    system: System, ann: Person, frame: bytes
) -> None:
    async with system.connect(ann) as client:
        await client.ws.send_str(frame.replace(b"%s", ID.encode()).decode())
        error = await client.wait("error")
        assert error["id"] == ID
        assert error["code"] in ("malformed_body", "invalid_input")
        await client.ping()


async def test_a_frame_that_is_no_text_says_so_and_ends_the_socket(
    system: System, ann: Person
) -> None:
    for token in (ann.token, None):
        peer = await Peer.connect(system.chats[0].url, token)
        await peer.write(frame(b'{"type":"ping","id":"\xff"}'))
        await peer.until(lambda peer=peer: peer.ended)  # type: ignore[misc]
        assert peer.close_code == 1007
        assert peer.errors == {"malformed_body": 1}


async def test_a_client_that_does_not_mask_is_cut_off(system: System, ann: Person) -> None:
    for token in (ann.token, None):
        peer = await Peer.connect(system.chats[0].url, token)
        await peer.write(frame(b'{"type":"ping","id":"7"}', mask=None), chunk=1)
        await peer.until(lambda peer=peer: peer.ended)  # type: ignore[misc]
        assert peer.close_code == 1002
        assert not peer.errors


async def test_a_frame_may_be_exactly_as_long_as_the_welcome_says(
    system: System, ann: Person
) -> None:
    async with system.connect(ann) as client:
        most = client.of("welcome")[0]["limits"]["frame_bytes"]
        op = '{"type":"ping","id":"7"}'
        await client.ws.send_str(op + " " * (most - len(op)))
        await client.wait("pong", id="7")
        await client.ws.send_str(op + " " * (most - len(op) + 1))
        assert await client.closed() == 1009


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize("missing", [*UPGRADE, "everything"])
async def test_a_request_for_the_socket_that_is_none_is_told_what_is_missing(
    system: System, ann: Person, missing: str
) -> None:
    headers = {name: value for name, value in UPGRADE.items() if name != missing}
    if missing == "everything":
        headers = {}
    async with (
        aiohttp.ClientSession(system.chats[0].url) as http,
        http.get("/ws", headers={**headers, **ann.headers}) as reply,
    ):
        problem = await reply.json(content_type=None)
        expected = 400 if missing == "Sec-WebSocket-Key" else 426
        assert reply.status == problem["status"] == expected
        if missing != "everything":
            assert missing in problem["detail"]
        if expected == 426:
            assert reply.headers["Upgrade"] == "websocket"
