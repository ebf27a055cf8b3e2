"""Imported people and their history in the running system."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import bcrypt
from pymongo import MongoClient

from tests.cluster.conftest import Launch
from tests.integration.deploy.import_convos.reference_system import (
    NOON,
    SECOND,
    ReferenceSystem,
    message,
)
from tests.support.accounts import ask
from tests.support.conditions import eventually
from tests.support.system import Person, System

PASSWORD = "a password of the old system"


async def test_imported_people_log_in_read_their_history_and_go_on(
    system: System, mongo_url: str, tmp_path: Path
) -> None:
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10, prefix=b"2b")).decode()
    with MongoClient[dict[str, Any]](mongo_url) as client:
        reference = ReferenceSystem(client, mongo_url, tmp_path)
        reference.chat = client[system.chat_database]
        reference.auth = client[system.chat_database.replace("chat_", "auth_", 1)]
        for name in ("Old.Ann", "Old.Bob"):
            reference.employee(f"{name}@Example.org", name=name, password=hashed)
        said = [
            message(f"Old.{'Bob' if n % 3 else 'Ann'}@Example.org", f"said {n}", NOON + n * SECOND)
            for n in range(450)
        ]
        reference.convo(["Old.Ann@Example.org", "Old.Bob@Example.org"], said)
        await asyncio.to_thread(reference.run)

        ann, bob = await log_in(system, "old.ann"), await log_in(system, "Old.Bob")
        history = await system.history(ann, bob, instance=1)
        assert [entry["seq"] for entry in history] == list(range(1, 451))
        assert [entry["text"] for entry in history] == [f"said {n}" for n in range(450)]
        assert [entry["sender"] for entry in history[:2]] == [ann.email, bob.email]
        assert history[-1]["timestamp"] == "2024-05-01T12:07:29Z"

        async with system.connect(ann, 0) as a, system.connect(bob, 1) as b:
            ack = await a.said(bob.email, "and now here")
            assert ack["seq"] == 451
            assert (await b.wait("message"))["seq"] == 451

        again = await asyncio.to_thread(reference.run)
        assert "450 already here" in again.output
        assert again.report == []
        assert len(await system.history(bob, ann)) == 451
        client.drop_database(reference.source.name)


async def test_what_was_erased_with_an_account_stays_erased_after_another_import(
    launch: Launch, mongo_url: str, amqp_url: str, tmp_path: Path
) -> None:
    system = await launch(mongo_url, amqp_url, settings={"DELETED_EMPLOYEES": "erase"})
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, prefix=b"2b")).decode()
    with MongoClient[dict[str, Any]](mongo_url) as client:
        reference = ReferenceSystem(client, mongo_url, tmp_path)
        reference.chat = client[system.chat_database]
        reference.auth = client[system.auth_database]
        emails = [f"old.{name}@example.org" for name in ("ann", "bob")]
        for email in emails:
            reference.employee(email, password=hashed)
        convo = reference.convo(emails, [message(email, "old", NOON) for email in emails])
        await asyncio.to_thread(reference.run)
        ann, bob = await log_in(system, "old.ann"), await log_in(system, "old.bob")
        body = {"password": PASSWORD}
        reply = await ask(system.auth, "DELETE", "/employees/me", body=body, token=ann.token)
        assert reply.status == 204
        written = {"sender": ann.email, "text": {"$exists": True}}
        await asyncio.to_thread(
            eventually, lambda: reference.chat["messages"].count_documents(written) == 0
        )

        reference.extend(convo, message(ann.email, "appended", NOON + SECOND))
        again = await asyncio.to_thread(reference.run)
        assert again.reasons("employees") == [("deleted their account here", None)]
        history = await system.history(bob, ann)
        assert [(entry["sender"], entry.get("text")) for entry in history] == [
            (ann.email, None),
            (bob.email, "old"),
        ]
        login = {"email": ann.email, "password": PASSWORD}
        assert (await ask(system.auth, "POST", "/login", body=login)).status == 401
        client.drop_database(reference.source.name)


async def log_in(system: System, name: str) -> Person:
    body = {"email": f"{name}@example.org", "password": PASSWORD}
    async with (
        aiohttp.ClientSession(system.auth.url) as http,
        http.post("/login", json=body) as reply,
    ):
        assert reply.status == 200, await reply.text()
        tokens = await reply.json()
    return Person(body["email"].lower(), tokens["access_token"], tokens["refresh_token"])
