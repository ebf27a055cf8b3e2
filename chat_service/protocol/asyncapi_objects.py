"""The objects of an AsyncAPI 3.0 document, as far as ours has them."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from shared.http.openapi import Info
from shared.json_schema import Schema


class Ref(Struct, frozen=True, rename={"ref": "$ref"}):
    ref: str


class Example(Struct, frozen=True):
    payload: dict[str, Any]


class MessageObject(Struct, frozen=True, omit_defaults=True, rename="camel"):
    name: str
    title: str
    summary: str
    payload: Ref
    examples: tuple[Example, ...]
    description: str = ""
    correlation_id: Ref | UnsetType = UNSET


class Reply(Struct, frozen=True):
    channel: Ref
    messages: tuple[Ref, ...]


class Operation(Struct, frozen=True, omit_defaults=True):
    """`receive` and `send` as the server sees it."""

    action: str
    channel: Ref
    summary: str
    messages: tuple[Ref, ...]
    reply: Reply | UnsetType = UNSET


class CloseReason(Struct, frozen=True):
    code: int
    name: str
    meaning: str
    reconnect: bool


class ErrorReason(Struct, frozen=True):
    code: str
    meaning: str
    status: int


class Channel(
    Struct,
    frozen=True,
    rename={"close_codes": "x-close-codes", "error_codes": "x-error-codes"},
):
    address: str
    title: str
    summary: str
    messages: dict[str, Ref]
    bindings: Schema
    close_codes: tuple[CloseReason, ...]
    error_codes: tuple[ErrorReason, ...]


class Server(Struct, frozen=True):
    host: str
    protocol: str
    summary: str
    variables: dict[str, dict[str, str]]
    security: tuple[Ref, ...]


class Document(Struct, frozen=True, rename="camel"):
    """AsyncAPI 3.0.0; every message is named after its struct, as two frames share a `type`."""

    asyncapi: str
    info: Info
    default_content_type: str
    servers: dict[str, Server]
    channels: dict[str, Channel]
    operations: dict[str, Operation]
    components: dict[str, dict[str, Any]]
