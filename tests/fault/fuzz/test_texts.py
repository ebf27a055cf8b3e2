"""Texts and names with characters of every Unicode category: each is taken as it is, or refused by
all that could take it, in the same words."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from hypothesis import given

from auth_service.employees.directory import folded
from tests.fault.fuzz.conftest import several
from tests.fault.fuzz.material import texts
from tests.support.system import PASSWORD, Person, System
from tests.support.vitals import faults

TEXTS = 300
NAMES = 120
LONGEST = 24


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_a_text_is_the_same_for_everybody_or_refused_by_everything(
    target: System, runner: asyncio.Runner
) -> None:
    async def begin() -> tuple[Person, Person]:
        return await target.person("ann"), await target.person("bob")

    async def exchange(text: str) -> bool:
        """Whether it was taken."""
        async with target.connect(bob) as bobs, target.connect(ann) as anns:
            status, body = await target.send(ann, bob, text)
            answer = await anns.said(bob.email, text, str(uuid4()))
            if status == 422:
                assert (answer["type"], answer["code"]) == ("error", body["code"])
                assert answer["detail"] == body["detail"]
                return False
            assert (status, answer["type"]) == (201, "ack")
            for client, seq in ((bobs, answer["seq"]), (bobs, answer["seq"] - 1)):
                assert (await client.wait("message", seq=seq))["text"] == text
        history = await target.history(bob, ann)
        assert [message["text"] for message in history[-2:]] == [text, text]
        assert await last_text(bob) == text
        return True

    async def last_text(reader: Person) -> str:
        async with (
            aiohttp.ClientSession(target.chats[0].url) as http,
            http.get("/conversations", headers=reader.headers) as reply,
        ):
            conversations = (await reply.json())["conversations"]
            return str(conversations[0]["last_message"]["text"])

    ann, bob = runner.run(begin())
    storm(TEXTS, lambda text: runner.run(exchange(text)), target.chats[0].log)


def test_a_name_is_shown_as_it_is_and_found_or_refused(
    target: System, runner: asyncio.Runner
) -> None:
    async def sign_up(name: str) -> bool:
        """Whether it was taken."""
        email = f"{uuid4().hex}@example.org"
        async with aiohttp.ClientSession(target.auth.url) as http:
            body = {"name": name, "email": email, "password": PASSWORD}
            async with http.post("/employees", json=body) as reply:
                if reply.status == 422:
                    problem = await reply.json()
                    assert problem["errors"][0]["path"] == "$.name"
                    return False
                assert reply.status == 201
            for query in (email, name):
                if folded(query):  # else everybody is found, a page of them
                    assert (email, name.strip()) in await found(http, query)
        return True

    async def found(http: aiohttp.ClientSession, query: str) -> set[tuple[str, str]]:
        async with http.get("/employees", params={"query": query}, headers=ann.headers) as reply:
            assert reply.status == 200
            return {(one["email"], one["name"]) for one in (await reply.json())["employees"]}

    ann = runner.run(target.person("ann"))
    storm(NAMES, lambda name: runner.run(sign_up(name)), target.auth.log)


def storm(count: int, take: Callable[[str], bool], log: Path) -> None:
    """Some of so many texts are taken, some are refused, and none is a fault in the log."""
    before = len(faults(log))
    taken: list[bool] = []

    @several(count)
    @given(text=texts(LONGEST))
    def one(text: str) -> None:
        taken.append(take(text))

    one()
    assert faults(log)[before:] == []
    assert any(taken)
    assert not all(taken)
