"""JSON Schemas of msgspec types for OpenAPI and AsyncAPI."""

import inspect
from collections.abc import Iterable
from typing import Any

import msgspec

Schema = dict[str, Any]
"""A JSON Schema (draft 2020-12) as msgspec generates it."""

REF = "#/components/schemas/{name}"
"""Where OpenAPI and AsyncAPI keep the schemas of structs."""


def schemas_of(kinds: Iterable[Any]) -> tuple[tuple[Schema, ...], dict[str, Schema]]:
    """The schema of each kind, and the named schemas of the structs that they refer to."""
    schemas, components = msgspec.json.schema_components(kinds, ref_template=REF)
    for component in components.values():
        if "description" in component:  # a docstring, whose indentation would be shown as code
            component["description"] = inspect.cleandoc(component["description"])
    return schemas, components
