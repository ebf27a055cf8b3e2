"""The architecture where import contracts cannot see it: doors and owners of collections."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import ROOT

SERVICES = ("auth_service", "chat_service")
OWNERS = {
    "auth_service": {
        "employees": "employees",
        "sessions": "sessions",
        "departures": "outbox",
        "throttles": "accounts",
    },
    "chat_service": {
        "messages": "log",
        "convos": "inbox",
        "presence": "presence",
        "instances": "presence",
    },
}


def sources(service: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / service).rglob("*.py")):
        yield path.relative_to(ROOT), ast.parse(path.read_text())


@pytest.mark.parametrize("service", SERVICES)
def test_a_package_is_entered_by_its_door_only(service: str) -> None:
    """Whoever is outside imports what the package's `__init__` names, and no module inside."""
    inside = re.compile(rf"{service}\.(\w+)\.\w+")
    trespassers = [
        f"{path}: {node.module}"
        for path, tree in sources(service)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (entered := inside.match(node.module or ""))
        and (len(path.parts) < 3 or path.parts[1] != entered[1])
    ]
    assert trespassers == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_package_says_what_it_is_for(service: str) -> None:
    silent = [
        str(path)
        for path, tree in sources(service)
        if path.name == "__init__.py" and not ast.get_docstring(tree)
    ]
    assert silent == []


@pytest.mark.parametrize("service", SERVICES)
def test_one_package_owns_a_collection(service: str) -> None:
    """A collection is named, as a key of a database or in a command, by its owner's files alone."""
    strangers = []
    for path, tree in sources(service):
        for node in ast.walk(tree):
            for name in _collections(node):
                owner = OWNERS[service].get(name)
                if owner is not None and path.parts[1] != owner:
                    strangers.append(f"{path}:{node.lineno}: {name}")  # type: ignore[attr-defined]
    assert strangers == []


def _collections(node: ast.AST) -> Iterator[str]:
    """Names of collections in `database["name"]`, and in commands and stages that name one."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        if isinstance(node.slice.value, str):
            yield node.slice.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if (
                isinstance(key, ast.Constant)
                and key.value in _NAMING
                and isinstance(value, ast.Constant)
                and isinstance(value.value, str)
            ):
                yield value.value


_NAMING = ("insert", "update", "delete", "find", "aggregate", "from", "coll", "into")
