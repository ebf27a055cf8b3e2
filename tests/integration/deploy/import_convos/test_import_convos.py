"""One import: every form of the reference is understood, and what is left out is named."""

from uuid import UUID, uuid4

import pytest
from bson import ObjectId

from chat_service.log.conversation import between
from tests.integration.deploy.import_convos.reference_system import (
    HASH,
    NOON,
    SECOND,
    ReferenceSystem,
    message,
)

NOON_MS = 1_714_564_800_000


def test_employees_keep_id_and_hash_and_get_a_normalised_address(
    reference: ReferenceSystem,
) -> None:
    id = reference.employee(" Ann@Example.ORG", name="Ann")
    assert "1 imported" in reference.run().output
    (ann,) = reference.auth["employees"].find()
    assert ann == {
        "_id": id,
        "name": "Ann",
        "email": "ann@example.org",
        "department": "sales",
        "role": "clerk",
        "password": HASH,
        "created_at": id.generation_time,
        "updated_at": id.generation_time,
    }
    assert reference.auth["employees"].index_information()["email_1"]["unique"]


def test_an_employee_who_is_here_stays_as_is_and_has_the_history(
    reference: ReferenceSystem,
) -> None:
    ann, bob = reference.people("ann", "bob")
    here = {"_id": ObjectId(), "email": ann, "name": "Ann of today", "password": "kept"}
    reference.auth["employees"].insert_one(here)
    reference.convo([ann, bob], [message(ann, "hello", NOON)])
    assert "1 already here" in reference.run().output
    assert reference.auth["employees"].find_one({"email": ann}) == here
    assert reference.texts(ann, bob) == ["hello"]


def test_employees_that_cannot_be_are_reported(reference: ReferenceSystem) -> None:
    (ann,) = reference.people("ann")
    first = reference.employee("bob@example.org")
    second = reference.employee("BOB@example.org")
    reference.employee("no address")
    reference.employee(None)
    reference.employee("number@example.org", _id=7)
    reference.employee("bytes@example.org", password=HASH.encode())
    reference.employee("plain@example.org", password="hunter2")
    reference.convo([ann, second], [message(second, "the address names people", NOON)])
    result = reference.run()
    assert sorted(result.reasons("employees")) == [
        ("_id is no ObjectId and no string", None),
        ("another one has this address", None),
        ("no valid email address", None),
        ("no valid email address", None),
    ]
    assert len(result.reasons("employees", "imported with a change")) == 1
    stored = {row["email"]: row for row in reference.auth["employees"].find()}
    assert stored["bob@example.org"]["_id"] == first
    assert stored["bytes@example.org"]["password"] == HASH
    assert stored["plain@example.org"]["password"] == ""
    assert "hunter2" not in str(result)
    assert reference.texts(ann, "bob@example.org") == ["the address names people"]


def test_a_conversation_becomes_a_log_and_a_summary(reference: ReferenceSystem) -> None:
    ann, bob = reference.people("ann", "bob")
    reference.convo([bob, ann], [message(ann, "one", NOON), message(bob, "two", NOON + SECOND)])
    reference.run()
    first, _ = reference.log(ann, bob)
    assert first == {
        "_id": first["_id"],
        "convo": between(ann, bob).id,
        "seq": 1,
        "kind": "message",
        "sender": ann,
        "text": "one",
        "timestamp": NOON,
    }
    assert isinstance(first["_id"], UUID)
    assert reference.summary(ann, bob) == {
        "_id": between(ann, bob).id,
        "participants": [ann, bob],
        "last_seq": 2,
        "markers": [{"received": 2, "read": 2}, {"received": 2, "read": 2}],
        "created_at": NOON,
        "updated_at": NOON + SECOND,
    }


def test_people_are_named_by_address_or_id_and_times_are_written_in_any_form(
    reference: ReferenceSystem,
) -> None:
    ann, bob = reference.people("ann", "bob")
    ids = {row["email"]: row["_id"] for row in reference.source["employees"].find()}
    times: list[object] = [
        NOON,
        "2024-05-01T12:00:01Z",
        "2024-05-01T14:00:02+02:00",
        "2024-05-01T12:00:03",
        NOON_MS + 4000,
        float(NOON_MS + 5000),
        str(NOON_MS + 6000),
    ]
    names = ["Ann@Example.org ", ids[ann], str(ids[ann]), str(ids[ann]).upper()]
    reference.convo(
        [ids[bob], str(ids[ann])],
        [message(names[n % len(names)], str(n), time) for n, time in enumerate(times)],
    )
    result = reference.run()
    log = reference.log(ann, bob)
    assert {entry["sender"] for entry in log} == {ann}
    assert [entry["timestamp"] for entry in log] == [NOON + n * SECOND for n in range(len(times))]
    assert result.report == []


def test_without_a_usable_time_a_message_keeps_its_place(reference: ReferenceSystem) -> None:
    ann, bob = reference.people("ann", "bob")
    opened = ObjectId.from_datetime(NOON - SECOND)
    bad: list[object] = ["yesterday", -1, float("nan"), 10**17, True, [], "9" * 400]
    messages = [message(ann, "0"), message(ann, "1", NOON), message(bob, "2")]
    messages += [message(bob, str(n), value) for n, value in enumerate(bad, 3)]
    reference.convo([ann, bob], messages, _id=opened)
    result = reference.run()
    assert reference.texts(ann, bob) == [str(n) for n in range(len(messages))]
    times = [entry["timestamp"] for entry in reference.log(ann, bob)]
    assert times == [NOON - SECOND] + [NOON] * (len(messages) - 1)
    changed = result.reasons("messages", "imported with a change")
    assert [position for _, position in changed] == list(range(3, len(messages)))


def test_messages_that_cannot_be_are_skipped_and_named(reference: ReferenceSystem) -> None:
    ann, bob, _ = reference.people("ann", "bob", "eve")
    convo = reference.convo(
        [ann, bob],
        [
            message(ann, "kept", NOON),
            "no document",
            message("nobody@example.org", "?", NOON),
            message(None, "?", NOON),
            message("eve@example.org", "?", NOON),
            message(ann, 7, NOON),
            message(ann, " \n", NOON),
            message(ann, "a\x00b", NOON),
            message(ann, "x" * 20_001, NOON),
            message(bob, "x" * 20_000, NOON),
        ],
    )
    result = reference.run()
    assert [len(text) for text in reference.texts(ann, bob)] == [4, 20_000]
    assert result.reasons("messages") == [
        ("not a document", 1),
        ("sender is no employee", 2),
        ("sender is no employee", 3),
        ("sender is not a participant", 4),
        ("text is no string", 5),
        ("text is empty", 6),
        ("text has a NUL character", 7),
        ("text is too long", 8),
    ]
    assert {line["id"] for line in result.report} == {str(convo)}
    assert result.reasons("messages", "imported with a change") == [
        ("text is longer than people may send now", 9)
    ]


def test_conversations_that_cannot_be_are_skipped_and_named(reference: ReferenceSystem) -> None:
    ann, bob, eve = reference.people("ann", "bob", "eve")
    said = [message(ann, "?", NOON)]
    for participants in (
        [ann],
        [ann, bob, eve],
        "ann",
        None,
        [ann, "nobody@example.org"],
        [ann, ObjectId()],
        [ann, "ANN@example.org"],
    ):
        reference.convo(participants, said)
    reference.convo([ann, bob], "text")
    reference.convo([ann, bob], [])
    reference.convo([ann, eve], ["nothing"], _id={"odd": uuid4()})
    result = reference.run()
    assert [reason for reason, _ in result.reasons("conversations")] == [
        "not exactly two participants",
        "not exactly two participants",
        "not exactly two participants",
        "not exactly two participants",
        "a participant is no employee",
        "a participant is no employee",
        "both participants are the same person",
        "messages is not an array",
    ]
    assert result.reasons("messages") == [("not a document", 0)]
    assert [len(rows) for rows in reference.everything()] == [3, 0, 0]


@pytest.mark.parametrize("id", [NOON, {"at": NOON, "of": uuid4()}, -0.0, "1", b"1"])
def test_a_conversation_may_have_any_id(reference: ReferenceSystem, id: object) -> None:
    ann, bob = reference.people("ann", "bob")
    reference.convo([ann, bob], [message(ann, "1", NOON)], _id=id)
    reference.run()
    assert reference.texts(ann, bob) == ["1"]


def test_several_documents_of_one_pair_are_merged_by_time(reference: ReferenceSystem) -> None:
    ann, bob = reference.people("ann", "bob")
    first = [(0, "a"), (2, "c"), (1, "after c"), (5, "f")]
    second = [(1, "b"), (2, "d: the first document goes first"), (4, "e")]
    reference.convo([ann, bob], [message(ann, text, NOON + n * SECOND) for n, text in first])
    reference.convo([bob, ann], [message(bob, text, NOON + n * SECOND) for n, text in second])
    reference.run()
    assert reference.texts(ann, bob) == ["a", "b", "c", "after c", second[1][1], "e", "f"]
