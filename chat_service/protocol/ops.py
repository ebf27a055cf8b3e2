"""The ops: every frame that a client may send, as JSON text; the field `type` names the struct."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from shared.times import GivenTime

Reference = Annotated[str, Meta(max_length=64, description="repeated in the answer")]
Seq = Annotated[int, Meta(ge=0, le=2**53 - 1, description="position in a conversation, from 1")]
ConversationId = Annotated[str, Meta(max_length=64, description="id of a conversation")]


class _Op(Struct, frozen=True, tag_field="type", forbid_unknown_fields=True, gc=False):
    pass


class Auth(_Op, frozen=True, tag="auth"):
    """Authenticate, as the first frame; later replace the token by one of the same session."""

    token: Annotated[str, Meta(max_length=8192)]
    id: Reference | None = None


class Send(_Op, frozen=True, tag="send"):
    """Send `text` to an employee. `id` names it for ever: the same again changes nothing."""

    id: UUID
    to: str
    text: str
    sent_at: GivenTime | None = None


class Edit(_Op, frozen=True, tag="edit"):
    """Change the text of one's own message. `id` names the edit as it would a message."""

    id: UUID
    conversation: ConversationId
    message: UUID
    text: str


class Delete(_Op, frozen=True, tag="delete"):
    """Delete one's own message: its text is gone, from every edit of it too."""

    id: UUID
    conversation: ConversationId
    message: UUID


class Mark(_Op, frozen=True, tag="mark"):
    """One has received, or read, everything up to here. Lower than before means nothing."""

    conversation: ConversationId
    received: Seq | None = None
    read: Seq | None = None
    id: Reference | None = None


class Typing(_Op, frozen=True, tag="typing"):
    """The caller types to an employee, or stopped. Repeat it every 3 s while it goes on."""

    to: str
    active: bool
    id: Reference | None = None


class Resume(_Op, frozen=True, tag="resume"):
    """Ask for everything after these cursors; a cursor of 0 is the beginning."""

    cursors: dict[ConversationId, Seq]
    id: Reference | None = None


class Ping(_Op, frozen=True, tag="ping"):
    """Ask for a sign of life: the answer comes after everything that was written before it."""

    id: Reference | None = None


ClientOp = Auth | Send | Edit | Delete | Typing | Mark | Resume | Ping

op_decoder = msgspec.json.Decoder(ClientOp)
"""Decodes a client's frame."""


class _Referenced(Struct):
    id: str | None = None


_referenced = msgspec.json.Decoder(_Referenced)


def op_id(data: bytes) -> str | None:
    """The `id` of a frame that did not decode, where it has one: the error repeats it."""
    try:
        found = _referenced.decode(data).id
    except (ValueError, RecursionError):
        return None
    return found if found is not None and len(found) <= 64 else None
