"""`/asyncapi.json`: the WebSocket protocol as an AsyncAPI 3.0 document, described for programs.

It says what the code does because it is made of what the code runs on; only which event answers
which op is written here.
"""

from typing import Any, get_args

import msgspec
from msgspec import UNSET, Struct

from chat_service.protocol import events, ops
from chat_service.protocol.asyncapi_objects import (
    Channel,
    CloseReason,
    Document,
    ErrorReason,
    Example,
    MessageObject,
    Operation,
    Ref,
    Reply,
    Server,
)
from chat_service.protocol.close_codes import CloseCode
from chat_service.protocol.error_codes import ERRORS
from chat_service.protocol.events import ServerEvent
from chat_service.protocol.examples import EVENTS, OPS
from chat_service.protocol.ops import ClientOp
from shared.http.openapi import INTERFACE_VERSION, Info
from shared.json_schema import Schema, schemas_of

DESCRIPTION = """\
Every frame is JSON text, and its field `type` names the message. A client says who it is with the
header `Authorization: Bearer <access token>` of the upgrade, or with `auth` as its first frame.
`welcome` comes before anything else.

Ops are taken in their order, and their answers repeat the `id` that they carried. What is not
answered with an event of its own is answered only where it is refused, with `error`.

A conversation is a log numbered from 1 (`seq`). A client's cursor is the number up to which it has
everything; after a reconnect, and when it is told to `resync`, it sends `resume` with its cursors.
Ignore fields and events that you do not know: more may come.

`x-close-codes` lists the codes that the server closes a socket with, besides those of RFC 6455 that
a WebSocket library sends by itself. `x-error-codes` lists what an `error` may say; `status` is what
the REST API answers in the same case. What has `retry_after_ms` may be sent again after it."""

_LOG = (events.Message, events.Edited, events.Deleted)

ANSWERS: dict[type[Struct], tuple[type[Struct], ...]] = {
    ops.Auth: (events.Welcome, events.Ack, events.Error),
    ops.Send: (events.Ack, events.Error),
    ops.Edit: (events.Ack, events.Error),
    ops.Delete: (events.Ack, events.Error),
    ops.Typing: (events.Error,),
    ops.Mark: (events.Error,),
    ops.Resume: (*_LOG, events.Resumed, events.Error),
    ops.Ping: (events.Pong, events.Error),
}
"""What each op may be answered with. A resume has the entries first, then `resumed`."""

_ONLY_ANSWERS = (events.Ack, events.Resumed, events.Pong)

_CHANNEL = "#/channels/socket"


def document() -> Document:
    """The protocol as it is."""
    ops: tuple[type[Struct], ...] = get_args(ClientOp)
    events: tuple[type[Struct], ...] = get_args(ServerEvent)
    messages = {kind.__name__: _message(kind) for kind in (*ops, *events)}
    operations = {f"receive{op.__name__}": _receive(op) for op in ops}
    operations |= {
        f"send{event.__name__}": _operation("send", event)
        for event in events
        if event not in _ONLY_ANSWERS
    }
    return Document(
        asyncapi="3.0.0",
        info=Info("Chat service, live", DESCRIPTION, INTERFACE_VERSION),
        default_content_type="application/json",
        servers={
            "encrypted": _server("wss", "Where something in front of the service ends TLS"),
            "plain": _server("ws", "The service itself"),
        },
        channels={
            "socket": Channel(
                address="/ws",
                title="The socket",
                summary="One authenticated device of one employee",
                messages={name: Ref(f"#/components/messages/{name}") for name in messages},
                bindings={"ws": _UPGRADE},
                close_codes=tuple(
                    CloseReason(code, code.name.lower(), code.meaning, code.reconnect)
                    for code in CloseCode
                ),
                error_codes=tuple(
                    ErrorReason(kind.code, kind.title, kind.status) for kind in ERRORS
                ),
            )
        },
        operations=operations,
        components={
            "messages": messages,
            "schemas": _schemas((*ops, *events)),
            "correlationIds": {
                "op": {
                    "description": "The `id` of the op, where the client gave it one.",
                    "location": "$message.payload#/id",
                }
            },
            "securitySchemes": {
                "header": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The access token, in the upgrade's Authorization header.",
                },
                "firstFrame": {
                    "type": "apiKey",
                    "in": "password",
                    "description": "The access token, as the `token` of the first frame, `auth`.",
                },
            },
        },
    )


_UPGRADE: Schema = {
    "method": "GET",
    "headers": {
        "type": "object",
        "properties": {
            "Authorization": {"type": "string", "pattern": "^[Bb]earer .+"},
            "Origin": {
                "type": "string",
                "description": "of a browser's page; it has to be one that the service allows",
            },
        },
    },
    "bindingVersion": "0.1.0",
}


def _server(protocol_: str, summary: str) -> Server:
    return Server(
        host="{host}",
        protocol=protocol_,
        summary=summary,
        variables={"host": {"default": "localhost:8002", "description": "where this came from"}},
        security=(
            Ref("#/components/securitySchemes/header"),
            Ref("#/components/securitySchemes/firstFrame"),
        ),
    )


def _message(kind: type[Struct]) -> MessageObject:
    about = " ".join((kind.__doc__ or "").split())
    summary = _first_sentence(about)
    return MessageObject(
        name=str(kind.__struct_config__.tag),
        title=kind.__name__,
        summary=summary,
        description="" if summary == about else about,
        payload=Ref(f"#/components/schemas/{kind.__name__}"),
        correlation_id=(
            Ref("#/components/correlationIds/op")
            if "id" in kind.__struct_fields__ and kind not in _LOG
            else UNSET
        ),
        examples=tuple(
            Example(
                {
                    name: value
                    for name, value in msgspec.to_builtins(frame).items()
                    if value is not None
                }
            )
            for frame in (*OPS, *EVENTS)
            if type(frame) is kind
        ),
    )


def _receive(op: type[Struct]) -> Operation:
    return msgspec.structs.replace(
        _operation("receive", op),
        reply=Reply(Ref(_CHANNEL), tuple(_on_channel(answer) for answer in ANSWERS[op])),
    )


def _operation(action: str, kind: type[Struct]) -> Operation:
    return Operation(
        action=action,
        channel=Ref(_CHANNEL),
        summary=_first_sentence(" ".join((kind.__doc__ or "").split())),
        messages=(_on_channel(kind),),
    )


def _on_channel(kind: type[Struct]) -> Ref:
    return Ref(f"{_CHANNEL}/messages/{kind.__name__}")


def _first_sentence(text: str) -> str:
    first, end, _ = text.partition(". ")
    return first + end.rstrip()


def _schemas(kinds: tuple[type[Struct], ...]) -> dict[str, Schema]:
    _, components = schemas_of(kinds)
    schemas: dict[str, Schema] = {name: _draft_07(schema) for name, schema in components.items()}
    for kind in kinds:
        schemas[kind.__name__]["properties"]["type"] = {"const": kind.__struct_config__.tag}
    schemas["Error"]["properties"]["code"]["enum"] = [kind.code for kind in ERRORS]
    return schemas


def _draft_07(schema: Any) -> Any:
    """A schema in the dialect of AsyncAPI, in which a tuple is written differently."""
    if isinstance(schema, list):
        return [_draft_07(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {
        name: _draft_07(part)
        for name, part in schema.items()
        if not (name == "default" and part is None)  # it is said by leaving the field out
    }
    if "prefixItems" in converted:
        converted["additionalItems"] = converted.pop("items")
        converted["items"] = converted.pop("prefixItems")
    return converted
