"""What a device asks to have in the log, and how it says so over a WebSocket."""

from typing import Any

from msgspec import Struct

from tests.fault.chaos.history import Kind

Event = dict[str, Any]


class Op(Struct, eq=False):
    """Something that asks to be in the log; `attempt` is the one under way, None while it waits."""

    id: str
    kind: Kind
    conversation: str
    to: str
    text: str | None
    message: str | None
    place: int
    attempt: int | None = None
    last_attempt: int = 0


def frame(op: Op) -> Event:
    match op.kind:
        case Kind.MESSAGE:
            return {"type": "send", "id": op.id, "to": op.to, "text": op.text}
        case Kind.EDIT:
            about = {"message": op.message, "conversation": op.conversation}
            return {"type": "edit", "id": op.id, "text": op.text, **about}
        case Kind.DELETE:
            about = {"message": op.message, "conversation": op.conversation}
            return {"type": "delete", "id": op.id, **about}
