"""Tokens that neither service believes, whatever they try (RFC 8725)."""

import pytest

from tests.support.accounts import ask
from tests.support.system import Person, System
from tests.support.tokens import ATTACKS, forge


async def assert_nobody_believes(system: System, token: str) -> None:
    for service, path in ((system.auth, "/employees/me"), (system.chats[0], "/conversations")):
        reply = await ask(service, "GET", path, token=token)
        assert (reply.status, reply.code) == (401, "unauthorized"), service.name


@pytest.fixture
async def ann(replicated: System) -> Person:
    return await replicated.person("ann")


@pytest.mark.parametrize("attack", ATTACKS)
async def test_forged_token_is_refused(replicated: System, ann: Person, attack: str) -> None:
    await assert_nobody_believes(replicated, forge(attack, ann.token, replicated.keys))


async def test_token_of_100_kilobytes_is_refused(replicated: System, ann: Person) -> None:
    await assert_nobody_believes(replicated, "x" * 100_000)
    await assert_nobody_believes(replicated, f"{ann.token}.{'x' * 100_000}")
    head, _, tail = ann.token.partition(".")
    await assert_nobody_believes(replicated, f"{head}{'A' * 100_000}.{tail}")
