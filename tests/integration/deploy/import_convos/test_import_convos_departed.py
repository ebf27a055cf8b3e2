"""Whoever deleted their account here is not brought back, and nothing of theirs arrives."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import bcrypt
import pytest

from auth_service.settings import AuthSettings
from deploy.import_convos.history import Limits
from deploy.import_convos.report import Outcome, Report, Subject
from deploy.import_convos.run import Databases, run
from tests.integration.deploy.import_convos.reference_system import (
    NOON,
    SECOND,
    ReferenceSystem,
    message,
)
from tests.support.auth_service import PASSWORD, AuthService

GONE = "deleted their account here"
PARTNER_GONE = "a participant deleted their account here"


@pytest.fixture
def settings(mongo_url: str, reference: ReferenceSystem, tmp_path: Path) -> AuthSettings:
    return AuthSettings(
        mongo_url=mongo_url,
        mongo_database=reference.auth.name,
        signing_keys=str(tmp_path / "keys"),
        host="127.0.0.1",
        port=0,
        bcrypt_cost=4,
        rate_limits=False,
    )


async def test_who_was_imported_and_deleted_their_account_is_not_imported_again(
    reference: ReferenceSystem, settings: AuthSettings
) -> None:
    ann, bob, eve = "ann@example.org", "bob@example.org", "eve@example.org"
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    ids = {email: reference.employee(email, password=hashed) for email in (ann, bob, eve)}
    theirs = reference.convo([ann, bob], [message(ann, "1", NOON), message(bob, "2", NOON)])
    others = reference.convo([bob, eve], [message(bob, "1", NOON)])
    async with AuthService(settings) as auth:
        await auth.ready()
        await asyncio.to_thread(reference.run)
        token = (await auth.log_in(ann)).body["access_token"]
        body = {"password": PASSWORD}
        reply = await auth.request("DELETE", "/employees/me", body=body, token=token)
        assert reply.status == 204
        summary = reference.summary(ann, bob)

        for convo, one, other in ((theirs, ann, bob), (others, eve, bob)):
            reference.extend(convo, message(one, "new", NOON), message(other, "newer", NOON))
        new = reference.convo([eve, ann], [message(eve, "another conversation", NOON)])
        again = await asyncio.to_thread(reference.run)

        assert (await auth.log_in(ann)).status == 401
        assert (await auth.log_in(bob)).status == 200
    assert {row["email"] for row in reference.auth["employees"].find()} == {bob, eve}
    assert reference.texts(ann, bob) == ["1", "2"]
    assert reference.summary(ann, bob) == summary
    assert (reference.log(ann, eve), reference.summary(ann, eve)) == ([], None)
    assert reference.texts(bob, eve) == ["1", "new", "newer"]
    lines = [(line["id"], line["reason"], line.get("messages")) for line in again.report]
    assert lines[0] == (str(ids[ann]), GONE, None)
    assert set(lines[1:]) == {(str(theirs), PARTNER_GONE, 4), (str(new), PARTNER_GONE, 1)}
    assert ann not in str(again)


def test_who_deleted_their_account_before_the_first_import_is_not_imported(
    reference: ReferenceSystem,
) -> None:
    ann, bob, eve = "ann@example.org", *reference.people("bob", "eve")
    id = reference.employee(" Ann@Example.ORG", password="no hash")
    reference.convo([id, bob], [message(id, "1", NOON), message(bob, "2", NOON)])
    reference.convo([bob, eve], [message(bob, "1", NOON), message(id, "not hers", NOON)])
    reference.leave(ann)
    result = reference.run()
    assert {row["email"] for row in reference.auth["employees"].find()} == {bob, eve}
    assert (reference.log(ann, bob), reference.summary(ann, bob)) == ([], None)
    assert reference.texts(bob, eve) == ["1"]
    assert [(line["subject"], line["reason"]) for line in result.report] == [
        ("employees", GONE),
        ("conversations", PARTNER_GONE),
        ("messages", "sender is not a participant"),
    ]
    assert "2 in conversations: a participant deleted their account here" in result.output


def test_with_somebody_gone_a_dry_run_tells_the_same_and_repeating_changes_nothing(
    reference: ReferenceSystem,
) -> None:
    ann, bob, eve = reference.people("ann", "bob", "eve")
    convo = reference.convo([ann, bob], [message(ann, "1", NOON)])
    reference.convo([ann, bob], [message(bob, "2", NOON + SECOND)])
    reference.convo([bob, eve], [message(eve, "1", NOON)])
    reference.run()
    reference.leave(ann)
    reference.extend(convo, message(ann, "3", NOON + SECOND))
    before = reference.everything()
    results = [reference.run(*more) for more in (["--dry-run"], [], ["--dry-run"], [])]
    assert reference.everything() == before
    for result in results:
        assert result.report == results[0].report
        assert result.output.splitlines()[:-2] == results[0].output.splitlines()[:-2]
    assert results[0].reasons("employees") == [(GONE, None)]
    assert [line["messages"] for line in results[0].report if "messages" in line] == [3]


def test_who_is_about_to_go_counts_as_gone(reference: ReferenceSystem) -> None:
    ann, bob = reference.people("ann", "bob")
    convo = reference.convo([ann, bob], [message(ann, "1", NOON)])
    reference.run()
    leaving = {"$set": {"leaving": datetime.now(UTC)}}
    reference.auth["employees"].update_one({"email": ann}, leaving)
    reference.extend(convo, message(ann, "2", NOON))
    before = reference.everything()
    result = reference.run()
    assert reference.everything() == before
    assert result.reasons("employees") == [(GONE, None)]
    assert result.reasons("conversations") == [(PARTNER_GONE, None)]


def test_nothing_arrives_of_somebody_who_leaves_during_the_import(
    reference: ReferenceSystem,
) -> None:
    ann, bob, eve = reference.people("ann", "bob", "eve")
    reference.convo([ann, bob], [message(ann, "1", NOON), message(bob, "2", NOON)])
    reference.convo([bob, eve], [message(bob, "1", NOON)])
    passed = 0

    def planned(messages: int) -> Callable[[], None]:
        """The people are imported, and the conversations are about to be."""
        assert messages == 3
        assert reference.auth["employees"].count_documents({"email": ann}) == 1
        reference.leave(ann)

        def count() -> None:
            nonlocal passed
            passed += 1

        return count

    report = Report()
    limits = Limits(text=4000, imported_text=20_000, latest=2**42)
    databases = Databases(reference.source, reference.auth, reference.chat)
    run(databases, limits, report, planned, dry_run=False)
    assert reference.log(ann, bob) == []
    assert reference.texts(bob, eve) == ["1"]
    assert report.counts[Subject.CONVERSATIONS, Outcome.SKIPPED, PARTNER_GONE] == 1
    assert passed == 3
