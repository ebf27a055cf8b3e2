"""The AsyncAPI document is valid, and describes all of the protocol and nothing else."""

import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from jsonschema import Draft7Validator
from msgspec import Struct

from chat_service.protocol.asyncapi import ANSWERS, document
from chat_service.protocol.codes import ERRORS, CloseCode
from chat_service.protocol.events import ServerEvent
from chat_service.protocol.ops import ClientOp, op_decoder

OFFICIAL = Path(__file__).parent / "asyncapi_schema" / "3.0.0.json"

OPS: tuple[type[Struct], ...] = get_args(ClientOp)
EVENTS: tuple[type[Struct], ...] = get_args(ServerEvent)
KINDS = (*OPS, *EVENTS)


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(msgspec.json.encode(document()))
    return parsed


@pytest.fixture(scope="module")
def channel(described: dict[str, Any]) -> dict[str, Any]:
    channels: dict[str, Any] = described["channels"]
    assert list(channels) == ["socket"]
    only: dict[str, Any] = channels["socket"]
    return only


def payload(described: dict[str, Any], kind: type[Struct]) -> Draft7Validator:
    message = described["components"]["messages"][kind.__name__]
    return Draft7Validator(
        {**message["payload"], "components": described["components"]},
        format_checker=Draft7Validator.FORMAT_CHECKER,
    )


def references(part: Any) -> set[str]:
    if isinstance(part, list):
        return set().union(*map(references, part))
    if not isinstance(part, dict):
        return set()
    here = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
    return here.union(*map(references, part.values()))


def test_the_document_is_valid_asyncapi(described: dict[str, Any]) -> None:
    official = json.loads(OFFICIAL.read_bytes())
    found = Draft7Validator(official).iter_errors(described)
    assert [f"{error.json_path}: {error.message}" for error in found] == []


def test_every_reference_leads_somewhere_and_nothing_lies_around(
    described: dict[str, Any],
) -> None:
    used = references(described)
    for reference in used:
        place: Any = described
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
    for section, parts in described["components"].items():
        for name in parts:
            assert f"#/components/{section}/{name}" in used


def test_every_op_and_event_is_a_message_and_nothing_else_is(
    described: dict[str, Any], channel: dict[str, Any]
) -> None:
    messages = described["components"]["messages"]
    assert {(name, message["name"]) for name, message in messages.items()} == {
        (kind.__name__, kind.__struct_config__.tag) for kind in KINDS
    }
    assert list(channel["messages"]) == list(messages)
    for message in messages.values():
        assert message["summary"].endswith(".")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_payload_has_the_fields_of_the_frame(
    described: dict[str, Any], kind: type[Struct]
) -> None:
    schema = described["components"]["schemas"][kind.__name__]
    assert schema["properties"]["type"] == {"const": kind.__struct_config__.tag}
    assert list(schema["properties"]) == ["type", *kind.__struct_encode_fields__]
    required = {"type", *(f.encode_name for f in msgspec.structs.fields(kind) if f.required)}
    assert set(schema["required"]) == required
    assert (schema.get("additionalProperties") is False) == (kind in OPS)
    assert "prefixItems" not in json.dumps(schema), "the dialect of AsyncAPI has no such word"
    Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_message_has_an_example_that_is_one(
    described: dict[str, Any], kind: type[Struct]
) -> None:
    validator = payload(described, kind)
    examples = described["components"]["messages"][kind.__name__]["examples"]
    assert examples
    for example in examples:
        validator.validate(example["payload"])
        if kind in OPS:
            assert type(op_decoder.decode(json.dumps(example["payload"]))) is kind


def test_a_payload_that_is_wrong_is_refused(described: dict[str, Any]) -> None:
    for kind in KINDS:
        validator = payload(described, kind)
        example = described["components"]["messages"][kind.__name__]["examples"][0]["payload"]
        assert not validator.is_valid({**example, "type": "dance"})
        for name in described["components"]["schemas"][kind.__name__]["required"]:
            assert not validator.is_valid({key: example[key] for key in example if key != name})
            assert not validator.is_valid({**example, name: ["what?"]})


def test_every_op_is_received_and_its_answers_are_named(described: dict[str, Any]) -> None:
    received = {
        name: operation
        for name, operation in described["operations"].items()
        if operation["action"] == "receive"
    }
    assert list(received) == [f"receive{op.__name__}" for op in OPS]
    assert set(ANSWERS) == set(OPS)
    for op in OPS:
        operation = received[f"receive{op.__name__}"]
        assert operation["messages"] == [{"$ref": f"#/channels/socket/messages/{op.__name__}"}]
        assert operation["reply"]["messages"] == [
            {"$ref": f"#/channels/socket/messages/{answer.__name__}"} for answer in ANSWERS[op]
        ]


def test_every_event_is_sent_by_itself_or_is_an_answer(described: dict[str, Any]) -> None:
    sent = {
        reference["$ref"].rpartition("/")[2]
        for operation in described["operations"].values()
        if operation["action"] == "send"
        for reference in operation["messages"]
    }
    answers = {answer.__name__ for answers in ANSWERS.values() for answer in answers}
    assert sent | answers == {event.__name__ for event in EVENTS}
    assert answers - sent == {"Ack", "Resumed", "Pong"}


def test_every_close_code_has_a_meaning_and_says_whether_to_reconnect(
    channel: dict[str, Any],
) -> None:
    reasons = {reason["code"]: reason for reason in channel["x-close-codes"]}
    assert set(reasons) == set(CloseCode)
    for code in CloseCode:
        reason = reasons[code]
        assert reason["name"] == code.name.lower()
        assert reason["meaning"].endswith(".")
        assert reason["reconnect"] == (code < 4500)


def test_every_error_code_is_listed(described: dict[str, Any], channel: dict[str, Any]) -> None:
    codes = [kind.code for kind in ERRORS]
    assert [reason["code"] for reason in channel["x-error-codes"]] == codes
    assert described["components"]["schemas"]["Error"]["properties"]["code"]["enum"] == codes


def test_a_token_comes_in_the_header_or_in_the_first_frame(described: dict[str, Any]) -> None:
    schemes = described["components"]["securitySchemes"]
    assert (schemes["header"]["type"], schemes["header"]["scheme"]) == ("http", "bearer")
    for server in described["servers"].values():
        assert server["security"] == [
            {"$ref": f"#/components/securitySchemes/{name}"} for name in schemes
        ]
