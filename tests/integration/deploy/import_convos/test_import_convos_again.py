"""Imports that are repeated, interrupted, late or impossible: nothing doubled or reordered."""

import signal
from uuid import uuid4

import pytest

from chat_service.log.conversation import between
from deploy.import_convos.__main__ import main
from deploy.import_convos.history import Written
from deploy.import_convos.target import Target
from tests.integration.deploy.import_convos.reference_system import (
    NOON,
    SECOND,
    ReferenceSystem,
    message,
)
from tests.support.conditions import eventually


def test_a_second_import_changes_nothing(reference: ReferenceSystem) -> None:
    ann, bob = reference.people("ann", "bob")
    reference.convo([ann, bob], [message(ann, str(n), NOON) for n in range(5)])
    reference.convo([ann, bob], [message(bob, str(n), NOON) for n in range(5)])
    reference.run()
    before = reference.everything()
    assert "10 already here" in reference.run().output
    assert reference.everything() == before


def test_a_dry_run_tells_the_same_and_writes_nothing(reference: ReferenceSystem) -> None:
    ann, bob = reference.people("ann", "bob")
    reference.convo([ann, bob], [message(ann, "1", NOON), message(ann, "", NOON)])
    dry = reference.run("--dry-run")
    assert reference.everything() == [[], [], []]
    real = reference.run()
    assert dry.report == real.report
    assert dry.output.splitlines()[:-2] == real.output.splitlines()[:-2]


def test_killed_in_the_middle_a_second_import_makes_what_one_would_have(
    reference: ReferenceSystem,
) -> None:
    ann, *others = reference.people("ann", *(f"other.{n}" for n in range(30)))
    for other in others:
        sent = [message(ann, f"{n} to {other}", NOON + n * SECOND) for n in range(1000)]
        reference.convo([ann, other], sent[::2])
        reference.convo([ann, other], sent[1::2])
    reference.run()
    whole = reference.everything()
    reference.forget()
    process = reference.start()
    try:
        messages = reference.chat["messages"]
        eventually(lambda: messages.estimated_document_count() >= 5000)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 5000 <= messages.count_documents({}) < 30_000
    reference.run()
    assert reference.everything() == whole


def test_two_imports_at_once_make_what_one_would_have(reference: ReferenceSystem) -> None:
    ann, *others = reference.people("ann", *(f"other.{n}" for n in range(5)))
    for other in others:
        reference.convo([ann, other], [message(ann, str(n), NOON) for n in range(500)])
    reference.run()
    whole = reference.everything()
    reference.forget()
    processes = [reference.start() for _ in range(2)]
    assert [process.wait(timeout=100) for process in processes] == [0, 0]
    assert reference.everything() == whole


@pytest.mark.parametrize("stored", [0, 1, 2, 3])
@pytest.mark.parametrize("summarised", [True, False])
def test_what_a_crash_left_is_completed(
    reference: ReferenceSystem, stored: int, summarised: bool
) -> None:
    ann, bob = reference.people("ann", "bob")
    reference.convo([ann, bob], [message(ann, str(n), NOON) for n in range(3)])
    reference.run()
    whole = reference.everything()
    reference.chat["messages"].delete_many({"seq": {"$gt": stored}})
    if not summarised:
        reference.chat["convos"].delete_many({})
    reference.run()
    assert reference.everything() == whole


@pytest.mark.parametrize(
    "here", [{"last_seq": 0}, {"last_seq": 2, "markers": [{"received": 1}, {}]}]
)
def test_a_summary_that_the_service_made_is_brought_forward(
    reference: ReferenceSystem, here: dict[str, object]
) -> None:
    ann, bob = reference.people("ann", "bob")
    reference.convo([ann, bob], [message(ann, str(n), NOON) for n in (1, 2)])
    id = {"_id": between(ann, bob).id}
    reference.chat["convos"].insert_one(id | {"participants": [ann, bob]} | here)
    reference.run()
    summary = reference.summary(ann, bob)
    assert summary is not None
    assert summary["last_seq"] == 2
    assert summary["markers"] == [{"received": 2, "read": 2}] * 2


def test_what_the_reference_gained_is_appended(reference: ReferenceSystem) -> None:
    ann, bob = reference.people("ann", "bob")
    convo = reference.convo([ann, bob], [message(ann, "1", NOON)])
    reference.run()
    reference.extend(convo, message(bob, "2", NOON + SECOND))
    assert "1 completed" in reference.run().output
    grown = reference.everything()
    assert reference.texts(ann, bob) == ["1", "2"]
    reference.forget()
    reference.run()
    assert reference.everything() == grown


def test_where_people_have_written_history_is_refused(reference: ReferenceSystem) -> None:
    ann, bob, eve = reference.people("ann", "bob", "eve")
    old = reference.convo([ann, bob], [message(ann, "1", NOON)])
    done = reference.convo([ann, eve], [message(ann, "1", NOON)])
    say(reference, ann, bob, 1, "written here")
    result = reference.run()
    (line,) = result.report
    assert (line["outcome"], line["id"], line["messages"]) == ("refused", str(old), 1)
    assert reference.texts(ann, bob) == ["written here"]
    assert reference.texts(ann, eve) == ["1"]

    say(reference, ann, eve, 2, "written after the import")
    assert [line["id"] for line in reference.run().report] == [str(old)]  # all of `done` is here
    reference.extend(done, message(eve, "2", NOON))
    assert [line["id"] for line in reference.run().report] == [str(old), str(done)]
    assert reference.texts(ann, eve) == ["1", "written after the import"]


def test_where_people_write_during_the_import_the_log_keeps_no_gap(
    reference: ReferenceSystem,
) -> None:
    ann, bob, eve = reference.people("ann", "bob", "eve")
    busy, quiet = between(ann, bob).id, between(ann, eve).id
    target = Target(reference.chat, dry=False)
    reference.run()  # makes the indexes
    for seq in range(1, 6):
        if seq == 3:
            say(reference, ann, bob, seq, "written here")
        for conversation in (busy, quiet):
            target.append(conversation, seq, Written(uuid4(), ann, str(seq), 0))
        if seq == 4:
            target.flush()
    target.flush()
    assert target.conflicts == {busy: 3}
    assert reference.texts(ann, bob) == ["1", "2", "written here"]
    assert reference.texts(ann, eve) == ["1", "2", "3", "4", "5"]


def test_where_the_reference_changed_before_its_end_nothing_is_appended(
    reference: ReferenceSystem,
) -> None:
    ann, bob = reference.people("ann", "bob")
    convo = reference.convo([ann, bob], [message(ann, "1", NOON), message(ann, "2", NOON)])
    reference.run()
    reference.source["convos"].update_one({"_id": convo}, {"$pop": {"messages": -1}})
    reference.extend(convo, message(ann, "3", NOON), message(ann, "4", NOON))
    result = reference.run()
    assert [line["messages"] for line in result.report] == [1]
    assert reference.texts(ann, bob) == ["1", "2"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--from", ""], "--from is empty"),
        (["--from", "http://example.org"], "URL is not valid"),
        (["--from", "mongodb://127.0.0.1:1/gone?serverSelectionTimeoutMS=100"], "cannot be used"),
        (["--report", "/nowhere/report"], "report cannot be written"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(
    reference: ReferenceSystem,
    arguments: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(reference.arguments(*arguments)) == 2
    assert sentence in capsys.readouterr().err


def test_a_database_that_is_not_the_reference_systems_is_refused(
    reference: ReferenceSystem, mongo_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(reference.arguments("--from", mongo_url)) == 2
    assert reference.source.name in capsys.readouterr().err
    assert main(reference.arguments("--chat-database", reference.source.name)) == 2
    assert "the same database" in capsys.readouterr().err
    reference.source.drop_collection("convos")
    assert main(reference.arguments()) == 2
    assert "no collection convos" in capsys.readouterr().err


def say(reference: ReferenceSystem, one: str, other: str, seq: int, text: str) -> None:
    """An entry that a person wrote in the new system."""
    entry = {"convo": between(one, other).id, "seq": seq, "sender": one, "text": text}
    reference.chat["messages"].insert_one(
        {"_id": uuid4(), "kind": "message", "timestamp": NOON} | entry
    )
