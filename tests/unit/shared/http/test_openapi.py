"""The OpenAPI document says what the endpoints do."""

import json
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from aiohttp import web
from msgspec import Meta, Struct
from openapi_spec_validator import OpenAPIV31SpecValidator

from shared.errors import EmailTaken, IdConflict, RateLimited
from shared.http.endpoints import Endpoint
from shared.http.health import Readiness
from shared.http.openapi import document


class NewEmployee(Struct, frozen=True, forbid_unknown_fields=True):
    """Someone who signs up."""

    name: Annotated[str, Meta(min_length=1, max_length=100, description="as shown to others")]
    manager: UUID | None = None


class Employee(Struct, frozen=True):
    email: str
    name: str


class Search(Struct, frozen=True):
    query: Annotated[str, Meta(description="part of a name")]
    employee: tuple[str, ...] = ()
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    before: Annotated[int | None, Meta(description="entries below this one")] = None


async def handler(_request: web.Request) -> web.Response:
    return web.Response()


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/employees",
        handler=handler,
        summary="Sign up",
        description="Anyone may.",
        body=NewEmployee,
        replies={201: Employee},
        errors=(EmailTaken, IdConflict, RateLimited),
        public=True,
    ),
    Endpoint(
        method="GET",
        path="/employees",
        handler=handler,
        summary="Directory",
        query=Search,
        replies={200: tuple[Employee, ...]},
    ),
    Endpoint(
        method="DELETE",
        path=r"/employees/{email}/sessions/{session:[0-9a-f]+}",
        handler=handler,
        summary="End a session",
        replies={204: None},
    ),
    Endpoint(
        method="GET",
        path="/readyz",
        handler=handler,
        summary="Ready",
        replies={200: Readiness, 503: Readiness},
        public=True,
    ),
    Endpoint(method="GET", path="/metrics", handler=handler, summary="Metrics", replies={200: str}),
)


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    made = document(title="Example", description="For tests.", endpoints=ENDPOINTS)
    parsed: dict[str, Any] = json.loads(msgspec.json.encode(made))
    return parsed


@pytest.fixture(scope="module")
def sign_up(described: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = described["paths"]["/employees"]["post"]
    return operation


def test_the_document_is_valid_openapi(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(described).iter_errors()) == []


def test_every_operation_has_an_id_of_its_own(described: dict[str, Any]) -> None:
    ids = [
        operation["operationId"]
        for operations in described["paths"].values()
        for operation in operations.values()
    ]
    assert "postEmployees" in ids
    assert "deleteEmployeesByEmailSessionsBySession" in ids
    assert len(ids) == len(set(ids)) == 5


def test_the_body_is_the_struct_with_its_bounds(
    described: dict[str, Any], sign_up: dict[str, Any]
) -> None:
    assert sign_up["requestBody"] == {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewEmployee"}}},
    }
    body = described["components"]["schemas"]["NewEmployee"]
    assert body["required"] == ["name"]
    assert body["additionalProperties"] is False
    assert body["properties"]["name"]["maxLength"] == 100


def test_replies_and_errors_are_listed_by_status(sign_up: dict[str, Any]) -> None:
    assert [int(status) for status in sign_up["responses"]] == [
        201,
        *(400, 408, 409, 413, 415, 422, 429, 431),
        *(500, 503),
    ]
    conflict = sign_up["responses"]["409"]["content"]["application/problem+json"]["schema"]
    assert conflict["allOf"][0] == {"$ref": "#/components/schemas/Problem"}
    assert conflict["allOf"][1] == {
        "properties": {"code": {"enum": ["email_taken", "id_conflict"]}}
    }
    assert "`email_taken`" in sign_up["responses"]["409"]["description"]


def test_a_reply_that_asks_to_wait_says_so(sign_up: dict[str, Any]) -> None:
    waiting = [
        status for status, r in sign_up["responses"].items() if "Retry-After" in r["headers"]
    ]
    assert waiting == ["429", "503"]
    assert all("X-Request-ID" in reply["headers"] for reply in sign_up["responses"].values())


def test_only_endpoints_that_are_not_public_need_a_token(described: dict[str, Any]) -> None:
    employees = described["paths"]["/employees"]
    assert "security" not in employees["post"]
    assert "401" not in employees["post"]["responses"]
    assert employees["get"]["security"] == [{"bearerAuth": []}]
    assert {"401", "429"} <= employees["get"]["responses"].keys()
    assert described["components"]["securitySchemes"]["bearerAuth"]["scheme"] == "bearer"


def test_query_parameters_have_their_schema(described: dict[str, Any]) -> None:
    listed = described["paths"]["/employees"]["get"]["parameters"]
    assert {(p["name"], p["in"], p["required"]) for p in listed} == {
        ("query", "query", True),
        ("employee", "query", False),
        ("limit", "query", False),
        ("before", "query", False),
    }
    schemas = {parameter["name"]: parameter["schema"] for parameter in listed}
    assert schemas == {
        "query": {"type": "string"},
        "employee": {"type": "array", "items": {"type": "string"}},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 50},
        "before": {"type": "integer"},
    }
    assert listed[0]["description"] == "part of a name"
    assert listed[3]["description"] == "entries below this one"
    assert "Search" not in described["components"]["schemas"]


def test_path_parameters_are_required_strings(described: dict[str, Any]) -> None:
    operation = described["paths"]["/employees/{email}/sessions/{session}"]["delete"]
    assert [(p["name"], p["in"], p["required"]) for p in operation["parameters"]] == [
        ("email", "path", True),
        ("session", "path", True),
    ]
    assert "content" not in operation["responses"]["204"]


def test_a_status_may_be_a_reply_and_an_error(described: dict[str, Any]) -> None:
    unready = described["paths"]["/readyz"]["get"]["responses"]["503"]["content"]
    assert set(unready) == {"application/json", "application/problem+json"}


def test_text_is_no_json(described: dict[str, Any]) -> None:
    content = described["paths"]["/metrics"]["get"]["responses"]["200"]["content"]
    assert content == {"text/plain": {"schema": {"type": "string"}}}


def test_operational_endpoints_have_a_tag_of_their_own(described: dict[str, Any]) -> None:
    assert described["paths"]["/metrics"]["get"]["tags"] == ["operations"]
    assert described["paths"]["/employees"]["get"]["tags"] == ["employees"]


def test_two_types_of_one_name_are_refused() -> None:
    def named_thing(kind: type) -> Endpoint:
        thing = msgspec.defstruct("Thing", [("value", kind)])
        return Endpoint(
            method="GET",
            path=f"/{kind.__name__}",
            handler=handler,
            summary="",
            replies={200: thing},
        )

    with pytest.raises(ValueError, match="Thing"):
        document(title="", description="", endpoints=[named_thing(int), named_thing(bool)])
