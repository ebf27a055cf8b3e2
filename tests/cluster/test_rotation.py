"""Signing keys are rotated and retired while everything runs."""

import os
import stat

import jwt

from auth_service.tokens.keys import FIRST_KEY
from auth_service.tokens.rotate_keys import rotate
from tests.cluster.conftest import Launch
from tests.support.accounts import accepts, ask, logged_in, refreshed
from tests.support.conditions import eventually, until
from tests.support.system import Person, System


def kid_of(person: Person) -> str:
    return str(jwt.get_unverified_header(person.token)["kid"])


async def published(system: System) -> list[set[str]]:
    """The key ids that each replica publishes."""
    replies = [await ask(auth, "GET", "/.well-known/jwks.json") for auth in system.auths]
    return [{key["kid"] for key in reply.body["keys"]} for reply in replies]


async def until_published(system: System, count: int) -> None:
    async def all_have() -> bool:
        return [len(kids) for kids in await published(system)] == [count] * len(system.auths)

    await until(all_have)


async def test_a_key_is_added_signs_and_replaces_the_old_one_without_a_restart(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    system = await launch(mongo_url, amqp_url, replicas=2)
    ann = await system.person("ann")
    rotate(system.keys, ahead=6)
    await until_published(system, 2)
    early = await logged_in(system, ann.email)
    assert kid_of(early) == kid_of(ann)

    async def changed() -> bool:
        nonlocal early
        grant = (await refreshed(system, early.refresh_token, replica=1)).body
        early = Person(ann.email, grant["access_token"], grant["refresh_token"])
        return kid_of(early) != kid_of(ann)

    await until(changed)
    late = await logged_in(system, ann.email)
    for person in (ann, late):
        for auth in system.auths:
            assert (await ask(auth, "GET", "/employees/me", token=person.token)).status == 200
        for chat in system.chats:
            assert await accepts(chat, person)
    (system.keys / FIRST_KEY).unlink()
    await until_published(system, 1)
    for auth in system.auths:
        assert (await ask(auth, "GET", "/employees/me", token=ann.token)).status == 401
        assert (await ask(auth, "GET", "/employees/me", token=late.token)).status == 200


async def test_a_key_that_others_can_read_is_not_taken_and_stops_nothing(
    launch: Launch, mongo_url: str, amqp_url: str
) -> None:
    system = await launch(mongo_url, amqp_url, instances=0)
    before = await published(system)
    name, _ = rotate(system.keys, ahead=0)
    os.chmod(system.keys / name, stat.S_IRUSR | stat.S_IROTH)
    eventually(lambda: "kept the signing keys" in system.auth.log.read_text())
    assert (await system.person("ann")).token
    assert await published(system) == before
