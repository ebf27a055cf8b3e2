"""`python -m chat_service.rest.typescript`: writes the TypeScript types of frames and bodies.

They are generated from the types that the service runs on, so the page cannot drift from them.
json-schema-to-typescript would only replace `_interface` and `_type`, and would need 15 packages,
a script around it, and Node.js for the unit test.
"""

import sys
import textwrap
from pathlib import Path
from typing import get_args

from chat_service.protocol import ClientOp, CloseCode, LogEvent, ServerEvent
from chat_service.rest import schemas
from shared.http.problems import Problem
from shared.json_schema import Schema, schemas_of

FILE = Path(__file__).parents[1] / "web" / "src" / "protocol.ts"

_HEAD = """\
// Every frame and body, as the chat service defines them.
// Written by `python -m chat_service.rest.typescript`: change the service, not this file.
"""
_UNIONS = {
    "ClientOp": get_args(ClientOp),
    "ServerEvent": get_args(ServerEvent),
    "LogEvent": get_args(LogEvent),
}
_BODIES = (
    schemas.HistoryView,
    schemas.HistoryRequest,
    schemas.ConversationsView,
    schemas.PresenceView,
    Problem,
)
_WIDTH = 96


def main() -> int:
    FILE.write_text(typescript())
    sys.stdout.write(f"{FILE}\n")
    return 0


def typescript() -> str:
    """The whole file."""
    _, components = schemas_of((*_UNIONS["ClientOp"], *_UNIONS["ServerEvent"], *_BODIES))
    return "\n".join(
        (
            _HEAD,
            *(_interface(name, schema) for name, schema in components.items()),
            *(_union(name, kinds) for name, kinds in _UNIONS.items()),
            _close_codes(),
        )
    )


def _interface(name: str, schema: Schema) -> str:
    required = schema.get("required", [])
    lines = [*_comment(schema.get("description", "")), f"export interface {name} {{"]
    for field, kind in schema["properties"].items():
        lines += _comment(kind.get("description", ""), "  ")
        optional = "" if field in required or (field == "type" and "enum" in kind) else "?"
        lines.append(f"  {field}{optional}: {_type(kind)};")
    return "\n".join([*lines, "}", ""])


def _type(schema: Schema) -> str:
    match schema:
        case {"$ref": target}:
            return str(target).rpartition("/")[2]
        case {"enum": values}:
            return " | ".join(f'"{value}"' for value in values)
        case {"anyOf": options}:
            return " | ".join(map(_type, options))
        case {"prefixItems": items}:
            return f"[{', '.join(map(_type, items))}]"
        case {"type": "array"}:
            return f"Array<{_type(schema['items'])}>"
        case {"type": "object"}:
            return f"Record<string, {_type(schema['additionalProperties'])}>"
        case {"type": "integer"}:
            return "number"
        case _:
            return str(schema["type"])


def _union(name: str, kinds: tuple[type, ...]) -> str:
    return f"export type {name} =\n" + "\n".join(f"  | {one.__name__}" for one in kinds) + ";\n"


def _close_codes() -> str:
    lines = ["/** Codes that the service closes a socket with. */", "export const CloseCode = {"]
    for code in CloseCode:
        lines += [*_comment(code.meaning, "  "), f"  {code.name}: {code.value},"]
    return "\n".join([*lines, "} as const;", ""])


def _comment(text: str, indent: str = "") -> list[str]:
    """A JSDoc comment, wrapped; none if there is no text."""
    width = _WIDTH - len(indent) - 3
    lines = textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)
    if len(lines) > 1:
        return [f"{indent}/**", *(f"{indent} * {line}" for line in lines), f"{indent} */"]
    return [f"{indent}/** {line} */" for line in lines]


if __name__ == "__main__":
    sys.exit(main())
