"""Generates an OpenAPI 3.1 document from the endpoints' declarations and their msgspec types.

The services run on the same declarations, so the document cannot disagree with the code.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from shared.errors import (
    BodyTimeout,
    BodyTooLarge,
    HeadersTooLarge,
    InternalError,
    InvalidInput,
    MalformedBody,
    MalformedRequest,
    RateLimited,
    ServiceError,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
)
from shared.http import problems
from shared.http.endpoints import Endpoint, path_parameters
from shared.json_schema import Schema, schemas_of

INTERFACE_VERSION = "1.0.0"
"""Of the interface, not of the software: the major version changes when clients would break."""

JSON = "application/json"
TEXT = "text/plain"

_REQUEST_ID = {"$ref": "#/components/headers/X-Request-ID"}
_RETRY_AFTER = {"$ref": "#/components/headers/Retry-After"}
_OPERATIONAL = frozenset({"healthz", "readyz", "metrics"})


class Info(Struct, frozen=True):
    title: str
    description: str
    version: str


def document(*, title: str, description: str, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The document of `endpoints` (OpenAPI 3.1.1, section 4.8.1)."""
    schemas = _Schemas()
    paths: dict[str, dict[str, Schema]] = {}
    for endpoint in endpoints:
        operations = paths.setdefault(_template(endpoint.path), {})
        operations[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": Info(title, description, INTERFACE_VERSION),
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "headers": {
                "X-Request-ID": {
                    "description": "Names this request in the logs; the client may choose it",
                    "schema": {"type": "string"},
                },
                "Retry-After": {
                    "description": "Seconds to wait before sending the same again",
                    "schema": {"type": "integer", "minimum": 0},
                },
            },
            "securitySchemes": {
                "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


def possible_errors(endpoint: Endpoint) -> list[type[ServiceError]]:
    """Every error that `endpoint` can return: declared ones, and those its declaration implies."""
    kinds: list[type[ServiceError]] = [
        *endpoint.errors,
        MalformedRequest,
        HeadersTooLarge,
        InternalError,
        Unavailable,
    ]
    if not endpoint.public:
        kinds += [Unauthorized, RateLimited]
    if endpoint.body is not None:
        kinds += [MalformedBody, BodyTimeout, BodyTooLarge, UnsupportedMediaType, InvalidInput]
    if endpoint.query is not None:
        kinds.append(InvalidInput)
    return sorted(dict.fromkeys(kinds), key=lambda kind: (kind.status, kind.code))


class _Schemas:
    """Collects the named schemas of a document."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def of(self, kind: Any) -> Schema:
        """The schema of `kind`: for a struct a reference, else the schema itself."""
        (schema,), components = schemas_of([kind])
        for name, component in components.items():
            if self.components.setdefault(name, component) != component:
                raise ValueError(f"two different types of this interface are named {name}")
        return schema


def _operation(endpoint: Endpoint, schemas: _Schemas) -> Schema:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in path_parameters(endpoint.path)
    ]
    operation = {
        "summary": endpoint.summary,
        "operationId": _operation_id(endpoint),
        "tags": [_tag(endpoint.path)],
        "description": endpoint.description,
        "parameters": [*in_path, *_query_parameters(endpoint, schemas)],
        "responses": _replies(endpoint, schemas),
        "security": [] if endpoint.public else [{"bearerAuth": []}],
    }
    if endpoint.body is not None:
        content = {JSON: {"schema": schemas.of(endpoint.body)}}
        operation["requestBody"] = {"content": content, "required": True}
    return {name: value for name, value in operation.items() if value}


def _query_parameters(endpoint: Endpoint, schemas: _Schemas) -> Iterable[Schema]:
    if endpoint.query is None:
        return
    for part in msgspec.structs.fields(endpoint.query):
        schema = dict(schemas.of(part.type))
        options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
        if len(options) == 1:  # a parameter that may be null is one that may be omitted
            del schema["anyOf"]
            schema |= options[0]
        if not part.required and part.default not in (None, (), msgspec.NODEFAULT, msgspec.UNSET):
            schema["default"] = part.default
        parameter = {"name": part.encode_name, "in": "query", "required": part.required}
        if description := schema.pop("description", ""):
            parameter["description"] = description
        yield parameter | {"schema": schema}


def _replies(endpoint: Endpoint, schemas: _Schemas) -> dict[str, Schema]:
    """Declared replies and errors by status; a status may have both."""
    errors: dict[int, list[type[ServiceError]]] = {}
    for kind in possible_errors(endpoint):
        errors.setdefault(kind.status, []).append(kind)
    replies = {}
    for status in sorted({*endpoint.replies, *errors}):
        content: dict[str, Schema] = {}
        said = []
        headers = {"X-Request-ID": _REQUEST_ID}
        if status in endpoint.replies:
            kind = endpoint.replies[status]
            said.append(HTTPStatus(status).phrase)
            if kind is not None:
                content[TEXT if kind is str else JSON] = {"schema": schemas.of(kind)}
        if status in errors:
            codes = {"properties": {"code": {"enum": [error.code for error in errors[status]]}}}
            said += [f"`{error.code}`: {error.title}" for error in errors[status]]
            problem = {"allOf": [schemas.of(problems.Problem), codes]}
            content[problems.CONTENT_TYPE] = {"schema": problem}
            if status in (429, 503):
                headers["Retry-After"] = _RETRY_AFTER
        reply = {"description": "; ".join(said), "headers": headers}
        replies[str(status)] = reply | ({"content": content} if content else {})
    return replies


def _template(path: str) -> str:
    """`/things/{id:\\d+}` as OpenAPI writes it: `/things/{id}`."""
    return "/".join(
        f"{{{path_parameters(part)[0]}}}" if part.startswith("{") else part
        for part in path.split("/")
    )


def _operation_id(endpoint: Endpoint) -> str:
    """`getEmployeesByEmail` for `GET /employees/{email}`: unique, as method and path are."""
    words = [endpoint.method.lower()]
    for part in endpoint.path.split("/"):
        names = path_parameters(part)
        words += ["by", *names] if names else part.replace("-", " ").replace(".", " ").split()
    return words[0] + "".join(word.capitalize() for word in words[1:])


def _tag(path: str) -> str:
    first = path.split("/")[1].lstrip(".")
    return "operations" if first in _OPERATIONAL else first
