"""`python -m chat_service.rest.typescript`: writes the frames and bodies as TypeScript for the page.

They are made of what the service runs on, so that the page cannot speak another protocol.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from chat_service.protocol import ClientOp, CloseCode, LogEvent, ServerEvent
from chat_service.rest.presence import PresenceView
from chat_service.rest.schemas import ConversationsView, HistoryRequest, HistoryView
from shared.http.problems import Problem
from shared.json_schema import Schema, schemas_of

FILE = Path(__file__).parents[1] / "web" / "src" / "protocol.ts"

_HEAD = """\
// Every frame and body, as the chat service defines them.
// Written by `python -m chat_service.rest.typescript`: change the service, not this file.
"""
_WIDTH = 96
_SCALARS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean"}


def main() -> int:
    FILE.write_text(typescript())
    sys.stdout.write(f"{FILE}\n")
    return 0


def typescript() -> str:
    """The whole file."""
    unions = {
        "ClientOp": get_args(ClientOp),
        "ServerEvent": get_args(ServerEvent),
        "LogEvent": get_args(LogEvent),
    }
    bodies = (HistoryView, HistoryRequest, ConversationsView, PresenceView, Problem)
    frames = (*unions["ClientOp"], *unions["ServerEvent"])
    _, components = schemas_of((*frames, *bodies))
    parts = [_HEAD]
    parts += [_interface(name, schema) for name, schema in components.items()]
    parts += [
        f"export type {name} =\n" + "\n".join(f"  | {kind.__name__}" for kind in kinds) + ";\n"
        for name, kinds in unions.items()
    ]
    parts.append(_close_codes())
    return "\n".join(parts)


def _interface(name: str, schema: Schema) -> str:
    required = schema.get("required", [])
    lines = [*_comment(schema.get("description", ""), ""), f"export interface {name} {{"]
    for field, kind in schema["properties"].items():
        lines += _comment(kind.get("description", ""), "  ")
        optional = "" if field in required or (field == "type" and "enum" in kind) else "?"
        lines.append(f"  {field}{optional}: {_type(kind)};")
    return "\n".join([*lines, "}", ""])


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(_literal(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_type(option) for option in schema["anyOf"])
    match schema.get("type"):
        case "null":
            return "null"
        case "array" if "prefixItems" in schema:
            return f"[{', '.join(_type(item) for item in schema['prefixItems'])}]"
        case "array":
            return f"Array<{_type(schema['items'])}>"
        case "object":
            return f"Record<string, {_type(schema['additionalProperties'])}>"
        case scalar:
            return _SCALARS[str(scalar)]


def _literal(value: Any) -> str:
    return "null" if value is None else f'"{value}"'


def _comment(text: str, indent: str) -> list[str]:
    """A JSDoc comment, wrapped."""
    words = text.split()
    if not words:
        return []
    if len(indent) + len(" ".join(words)) + 7 <= _WIDTH:
        return [f"{indent}/** {' '.join(words)} */"]
    return [f"{indent}/**", *_wrapped(words, f"{indent} * "), f"{indent} */"]


def _wrapped(words: Iterable[str], prefix: str) -> list[str]:
    lines = [prefix]
    for word in words:
        if lines[-1] != prefix and len(lines[-1]) + len(word) > _WIDTH:
            lines.append(prefix)
        lines[-1] += word if lines[-1] == prefix else f" {word}"
    return lines


def _close_codes() -> str:
    lines = ["/** Codes that the service closes a socket with. */", "export const CloseCode = {"]
    for code in CloseCode:
        lines += [*_comment(code.meaning, "  "), f"  {code.name}: {code.value},"]
    return "\n".join([*lines, "} as const;", ""])


if __name__ == "__main__":
    sys.exit(main())
