"""A conversation is identified by the addresses of its two participants, and by nothing else."""

import base64
from hashlib import blake2b

from msgspec import Struct

from shared.emails import normalise
from shared.errors import FieldProblem, InvalidInput


class Conversation(Struct, frozen=True):
    """The addresses of two people, sorted, and the id derived from them."""

    id: str
    participants: tuple[str, str]

    def other(self, employee: str) -> str:
        first, second = self.participants
        return second if employee == first else first


def between(one: str, other: str) -> Conversation:
    """The conversation of two normalised addresses. No look-up is needed, and no race makes two."""
    first, second = sorted((one, other))
    digest = blake2b(f"{first}\n{second}".encode(), digest_size=16).digest()
    return Conversation(base64.urlsafe_b64encode(digest)[:22].decode(), (first, second))


def with_other(caller: str, address: str, path: str) -> Conversation:
    """The conversation of `caller` with `address` as the client wrote it.

    Raises `InvalidInput`, which names `path`.
    """
    other = normalise(address, path)
    if other == caller:
        raise InvalidInput(
            "A conversation has two different participants.",
            problems=(FieldProblem(path, "is the caller's own address"),),
        )
    return between(caller, other)
