"""What identifies a conversation: the addresses of its two participants, and nothing else."""

import base64
from hashlib import blake2b

from msgspec import Struct

from shared.emails import normalise
from shared.errors import FieldProblem, InvalidInput


class Conversation(Struct, frozen=True):
    """Two people, their addresses sorted, and the id that follows from them."""

    id: str
    participants: tuple[str, str]

    def other(self, employee: str) -> str:
        first, second = self.participants
        return second if employee == first else first


def between(one: str, other: str) -> Conversation:
    """The conversation of two normalised addresses: no look-up, and no race can make two."""
    first, second = sorted((one, other))
    digest = blake2b(f"{first}\n{second}".encode(), digest_size=16).digest()
    return Conversation(base64.urlsafe_b64encode(digest)[:22].decode(), (first, second))


def with_other(caller: str, address: str, path: str) -> Conversation:
    """The conversation of `caller` with the raw `address`. Raises `InvalidInput` naming `path`."""
    other = normalise(address, path)
    if other == caller:
        raise InvalidInput(
            "A conversation has two different participants.",
            problems=(FieldProblem(path, "is the caller's own address"),),
        )
    return between(caller, other)
