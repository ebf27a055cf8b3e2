"""The ops: every frame that a client may send, as JSON text. `type` names the struct."""

import re
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from shared.times import GivenTime

Reference = Annotated[str, Meta(max_length=64, description="repeated in the answer to this op")]
Seq = Annotated[
    int, Meta(ge=0, le=2**53 - 1, description="position in a conversation; the first is 1")
]
ConversationId = Annotated[str, Meta(max_length=64, description="id of a conversation")]


class _Op(Struct, frozen=True, tag_field="type", forbid_unknown_fields=True, gc=False):
    pass


class Auth(_Op, frozen=True, tag="auth"):
    """Authenticate, as the first frame. Later, replace the token with one of the same session."""

    token: Annotated[str, Meta(max_length=8192)]
    id: Reference | None = None


class Send(_Op, frozen=True, tag="send"):
    """Send `text` to an employee. `id` identifies the message permanently: sending the same `id`
    again changes nothing."""

    id: UUID
    to: str
    text: str
    sent_at: GivenTime | None = None


class Edit(_Op, frozen=True, tag="edit"):
    """Change the text of your own message. `id` identifies the edit, as it would a message."""

    id: UUID
    conversation: ConversationId
    message: UUID
    text: str


class Delete(_Op, frozen=True, tag="delete"):
    """Delete your own message. Its text is erased, from the message and from every edit of it."""

    id: UUID
    conversation: ConversationId
    message: UUID


class Mark(_Op, frozen=True, tag="mark"):
    """You have received, or read, everything up to the given position. A lower one changes
    nothing."""

    conversation: ConversationId
    received: Seq | None = None
    read: Seq | None = None
    id: Reference | None = None


class Typing(_Op, frozen=True, tag="typing"):
    """You are typing to an employee, or have stopped. Repeat it every 3 s while you type."""

    to: str
    active: bool
    id: Reference | None = None


class Resume(_Op, frozen=True, tag="resume"):
    """Ask for everything after these cursors. A cursor of 0 is the beginning. With `only`, the
    answer is about these conversations alone; otherwise it names the newest of the others too."""

    cursors: dict[ConversationId, Seq]
    only: bool = False
    id: Reference | None = None


class Ping(_Op, frozen=True, tag="ping"):
    """Check the connection. The answer comes after everything that was sent before it."""

    id: Reference | None = None


ClientOp = Auth | Send | Edit | Delete | Typing | Mark | Resume | Ping

op_decoder = msgspec.json.Decoder(ClientOp)
"""Decodes a client's frame."""


class _Referenced(Struct):
    id: str | None = None


_referenced = msgspec.json.Decoder(_Referenced)
_WRITTEN_ID = re.compile(rb'"id"\s*:\s*"([\x20\x21\x23-\x5b\x5d-\x7e]{1,64})"')
"""Quotes within a string are escaped, so this can only be a field. A UUID has no other letters."""


def op_id(data: bytes) -> str | None:
    """The `id` of a frame that did not decode, for the error to repeat; None if it has none.

    Where the frame is no JSON, or no text, it is what stands where an `id` would.
    """
    try:
        found = _referenced.decode(data).id
    except msgspec.ValidationError:
        return None
    except (ValueError, RecursionError):
        written = _WRITTEN_ID.search(data)
        found = None if written is None else written.group(1).decode()
    return found if found is not None and len(found) <= 64 else None
