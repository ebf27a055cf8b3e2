"""The documents that the services serve, as judges of what the services do.

They are taken more strictly than a client should: a field that is not documented is a fault.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft7Validator, Draft202012Validator

Json = dict[str, Any]


class Interface:
    """An OpenAPI document. `seen` are the statuses that each operation was seen to answer with."""

    def __init__(self, document: Json) -> None:
        self._components = _closed(document["components"])
        self.operations: dict[str, Json] = {}
        self._places: dict[str, tuple[str, str]] = {}
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                self.operations[operation["operationId"]] = operation
                self._places[operation["operationId"]] = (method.upper(), path)
        self.seen: dict[str, set[int]] = {id: set() for id in self.operations}

    def place(self, id: str) -> tuple[str, str]:
        """Method and path template of an operation."""
        return self._places[id]

    def operation(self, method: str, path: str) -> str | None:
        """The id of the operation that a request is for; a path without parameters goes first."""
        fitting = [
            (template.count("{"), id)
            for id, (its_method, template) in self._places.items()
            if its_method == method and _fits(template, path)
        ]
        return min(fitting)[1] if fitting else None

    def judge_request(self, id: str, body: object) -> None:
        """A request that was accepted must be one that is documented."""
        documented = self.operations[id].get("requestBody")
        assert (documented is None) == (body is None), id
        if documented is not None:
            self._validate(documented["content"]["application/json"]["schema"], body, id)

    def judge(
        self, id: str, status: int, content_type: str, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Note a reply; fails where it is not as documented."""
        what = f"{id} answered {status} {content_type}: {body[:500]!r}"
        replies = self.operations[id]["responses"]
        assert str(status) in replies, f"not documented: {what}"
        reply = replies[str(status)]
        for name in reply["headers"]:
            if name == "Retry-After":
                assert int(headers.get(name, "0")) >= 0, what
            else:
                assert name in headers, f"{name} is missing: {what}"
        if "Retry-After" in headers:
            assert "Retry-After" in reply["headers"], what
        content = reply.get("content", {})
        if not content:
            assert body == b"", what
        else:
            assert content_type in content, what
            value = body.decode() if content_type == "text/plain" else json.loads(body)
            self._validate(content[content_type]["schema"], value, what)
        self.seen[id].add(status)

    def _validate(self, schema: Json, value: object, what: str) -> None:
        validator = Draft202012Validator(
            {**schema, "components": self._components},
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )
        wrong = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
        assert not wrong, f"{wrong} in {what}"


class Language:
    """An AsyncAPI document. `ops_seen` and `events_seen` are by the name of the message."""

    def __init__(self, document: Json) -> None:
        self._components = _closed(document["components"])
        self._document = document
        self.ops: dict[str, Draft7Validator] = {}
        self.events: dict[str, Draft7Validator] = {}
        self.answers: dict[str, set[str]] = {}
        """By op: what its answer may be."""
        for operation in document["operations"].values():
            spoken = self._messages(operation["messages"])
            if operation["action"] == "receive":
                self.ops |= spoken
                replies = self._messages(operation["reply"]["messages"])
                self.answers |= {op: set(replies) for op in spoken}
                self.events |= replies
            else:
                self.events |= spoken
        channel = document["channels"]["socket"]
        self.close_codes = {reason["name"]: reason["code"] for reason in channel["x-close-codes"]}
        self.error_codes = {reason["code"] for reason in channel["x-error-codes"]}
        self.ops_seen: set[str] = set()
        self.events_seen: set[str] = set()
        self.codes_seen: set[int] = set()

    def judge(self, ops: Iterable[Json], events: Iterable[Json], close_code: int | None) -> None:
        """Note all that went through a socket; fails where it is not as documented."""
        asked: dict[str, str] = {}
        for op in ops:
            self._validate(self.ops, op)
            self.ops_seen.add(op["type"])
            if "id" in op:
                asked[op["id"]] = op["type"]
        for event in events:
            self._validate(self.events, event)
            self.events_seen.add(event["type"])
            if event["type"] in ("ack", "error", "pong", "resumed") and event.get("id") in asked:
                assert event["type"] in self.answers[asked[event["id"]]], event
        if close_code is not None:
            assert close_code in self.close_codes.values()
            self.codes_seen.add(close_code)

    def _messages(self, references: Iterable[Json]) -> dict[str, Draft7Validator]:
        found = {}
        for reference in references:
            message = self._resolve(self._resolve(reference))
            found[message["name"]] = Draft7Validator(
                {**message["payload"], "components": self._components},
                format_checker=Draft7Validator.FORMAT_CHECKER,
            )
        return found

    def _resolve(self, reference: Json) -> Json:
        place = self._document
        for part in reference["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        return place

    def _validate(self, messages: Mapping[str, Draft7Validator], frame: Json) -> None:
        assert frame["type"] in messages, f"not documented: {frame}"
        found = messages[frame["type"]].iter_errors(frame)
        wrong = [f"{error.json_path}: {error.message}" for error in found]
        assert not wrong, f"{wrong} in {frame}"


def _closed(components: Json) -> Json:
    """With every object as complete as its documentation says."""
    schemas = {
        name: {"additionalProperties": False, **schema} if "properties" in schema else schema
        for name, schema in components["schemas"].items()
    }
    return {**components, "schemas": schemas}


def _fits(template: str, path: str) -> bool:
    ours, theirs = template.split("/"), path.split("/")
    return len(ours) == len(theirs) and all(
        our.startswith("{") or our == unquote(their)
        for our, their in zip(ours, theirs, strict=True)
    )
