"""`/asyncapi.json`: the WebSocket protocol as an AsyncAPI 3.0 document.

It is generated from the types that the service runs on. Only which events answer which op is
written here.
"""

import json
from typing import Any, get_args

import msgspec
from msgspec import Struct

from chat_service.protocol import events, ops
from chat_service.protocol.codes import ERRORS, CloseCode
from chat_service.protocol.examples import EXAMPLES
from shared.http.openapi import INTERFACE_VERSION
from shared.json_schema import REF, Schema, schemas_of

Json = dict[str, Any]
Kind = type[Struct]

DESCRIPTION = """\
Every frame is JSON text; its field `type` names the message. A client authenticates with the header
`Authorization: Bearer <access token>` of the upgrade, or with `auth` as its first frame. The server
sends `welcome` before anything else.

The server takes a socket's ops in order, and each answer repeats the `id` of its op. An op that no
event answers (`typing`, `mark`) is answered only if it is refused, with `error`.

A conversation is a log whose entries are numbered from 1 (`seq`). A client's cursor is the number
up to which it has every entry. Of the entries that it receives, a client applies the next one,
ignores one that it has, and keeps one that is further on: if the entries between do not come
within half a second, it sends `resume`. When `head` names a position above its cursor, it does so
at once. Both need only the conversation in question (`only`). A client without a cursor takes
entry 1 for the next one, and loads the newest page of history at any other. After a reconnect, and
when it receives `resync`, a client sends `resume` with all its cursors. It has one `resume` under
way at a time, and after one that brought nothing new it waits longer before the next. Ignore
fields and events that you do not know: more may be added.

`x-close-codes` lists the codes with which the server closes a socket, in addition to those of
RFC 6455 that WebSocket libraries send by themselves. `x-error-codes` lists the codes of `error`;
`status` is what the REST API answers in the same case. An op that was refused with `retry_after_ms`
may be sent again after that time."""

OPS: tuple[Kind, ...] = get_args(ops.ClientOp)
EVENTS: tuple[Kind, ...] = get_args(events.ServerEvent)
LOG: tuple[Kind, ...] = get_args(events.LogEvent)

ANSWERS: dict[Kind, tuple[Kind, ...]] = {
    ops.Auth: (events.Welcome, events.Ack, events.Error),
    ops.Send: (events.Ack, events.Error),
    ops.Edit: (events.Ack, events.Error),
    ops.Delete: (events.Ack, events.Error),
    ops.Typing: (events.Error,),
    ops.Mark: (events.Error,),
    ops.Resume: (*LOG, events.Resumed, events.Error),
    ops.Ping: (events.Pong, events.Error),
}
"""The events that may answer each op. A `resume` is answered with the entries, then `resumed`."""

_ONLY_ANSWERS = (events.Ack, events.Resumed, events.Pong)

_CHANNEL = "#/channels/socket"


def document() -> Json:
    """The AsyncAPI document. Messages are named after their structs: an op and an event may share a
    `type`."""
    messages = {kind.__name__: _message(kind) for kind in (*OPS, *EVENTS)}
    operations = {f"receive{op.__name__}": _operation("receive", op) for op in OPS}
    operations |= {
        f"send{event.__name__}": _operation("send", event)
        for event in EVENTS
        if event not in _ONLY_ANSWERS
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Chat service, WebSocket",
            "description": DESCRIPTION,
            "version": INTERFACE_VERSION,
        },
        "defaultContentType": "application/json",
        "servers": {
            "encrypted": _server("wss", "Where a proxy in front of the service terminates TLS"),
            "plain": _server("ws", "The service itself"),
        },
        "channels": {
            "socket": {
                "address": "/ws",
                "title": "The socket",
                "summary": "One authenticated device of an employee",
                "messages": {name: _ref(f"#/components/messages/{name}") for name in messages},
                "bindings": {"ws": _UPGRADE},
                "x-close-codes": [
                    {
                        "code": int(code),
                        "name": code.name.lower(),
                        "meaning": code.meaning,
                        "reconnect": code.reconnect,
                    }
                    for code in CloseCode
                ],
                "x-error-codes": [
                    {"code": error.code, "meaning": error.title, "status": error.status}
                    for error in ERRORS
                ],
            }
        },
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": _schemas(),
            "correlationIds": {"op": _OP_ID},
            "securitySchemes": _SECURITY,
        },
    }


_UPGRADE: Json = {
    "method": "GET",
    "headers": {
        "type": "object",
        "properties": {
            "Authorization": {"type": "string", "pattern": "^[Bb]earer .+"},
            "Origin": {
                "type": "string",
                "description": "sent by browsers; it must be an origin that the service allows",
            },
        },
    },
    "bindingVersion": "0.1.0",
}

_OP_ID = {
    "description": "The `id` of the op, if the client gave it one.",
    "location": "$message.payload#/id",
}

_SECURITY = {
    "header": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token, in the Authorization header of the upgrade.",
    },
    "firstFrame": {
        "type": "apiKey",
        "in": "password",
        "description": "The access token, as the `token` of `auth`, the first frame.",
    },
}


def _server(scheme: str, summary: str) -> Json:
    return {
        "host": "{host}",
        "protocol": scheme,
        "summary": summary,
        "variables": {
            "host": {"default": "localhost:8002", "description": "the host that served this"}
        },
        "security": [_ref(f"#/components/securitySchemes/{name}") for name in _SECURITY],
    }


def _message(kind: Kind) -> Json:
    about = " ".join((kind.__doc__ or "").split())
    message = {
        "name": kind.__struct_config__.tag,
        "title": kind.__name__,
        "summary": _summary(kind),
        "payload": _ref(REF.format(name=kind.__name__)),
        "examples": [{"payload": _example(one)} for one in EXAMPLES if type(one) is kind],
    }
    if about != message["summary"]:
        message["description"] = about
    if "id" in kind.__struct_fields__ and kind not in LOG:
        message["correlationId"] = _ref("#/components/correlationIds/op")
    return message


def _example(frame: Struct) -> Json:
    fields = msgspec.to_builtins(frame).items()
    return {name: value for name, value in fields if value is not None}


def _operation(action: str, kind: Kind) -> Json:
    """`action` is what the server does."""
    operation = {
        "action": action,
        "channel": _ref(_CHANNEL),
        "summary": _summary(kind),
        "messages": _on_channel(kind),
    }
    if kind in ANSWERS:
        operation["reply"] = {
            "channel": _ref(_CHANNEL),
            "messages": _on_channel(*ANSWERS[kind]),
        }
    return operation


def _on_channel(*kinds: Kind) -> list[Json]:
    return [_ref(f"{_CHANNEL}/messages/{kind.__name__}") for kind in kinds]


def _ref(target: str) -> Json:
    return {"$ref": target}


def _summary(kind: Kind) -> str:
    """The first sentence of the docstring."""
    first, end, _ = " ".join((kind.__doc__ or "").split()).partition(". ")
    return first + end.rstrip()


def _schemas() -> dict[str, Schema]:
    _, components = schemas_of((*OPS, *EVENTS))
    schemas: dict[str, Schema] = json.loads(json.dumps(components), object_hook=_draft_07)
    for kind in (*OPS, *EVENTS):
        schemas[kind.__name__]["properties"]["type"] = {"const": kind.__struct_config__.tag}
    schemas["Error"]["properties"]["code"]["enum"] = [kind.code for kind in ERRORS]
    return schemas


def _draft_07(schema: Schema) -> Schema:
    """`schema` in the dialect of AsyncAPI, which writes tuples differently."""
    if "prefixItems" in schema:
        schema["additionalItems"] = schema.pop("items")
        schema["items"] = schema.pop("prefixItems")
    if schema.get("default", ...) is None:  # a client leaves the field out instead
        del schema["default"]
    return schema
