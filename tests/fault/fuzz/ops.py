"""Text frames for the chat service: valid ops, ops with something wrong, and what is no op at all.

All of them come from one `random.Random`, so that a seed is the whole story of a socket.
"""

import json
from collections import deque
from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import UUID

from msgspec import Struct

from chat_service.log.conversation import between

Op = dict[str, Any]

OPS = ("auth", "send", "edit", "delete", "typing", "mark", "resume", "ping")
KINDS = ("fitting", "valid", "mutated", "odd value", "broken", "no op")
"""What a payload may be; a socket sends some of these only, which finds more than all at once."""

_RAW = '"@raw@"'
_REPEATED = 400
"""Entries of this run whose ids may be used again."""


class Ground(Struct):
    """What the fuzzers know of each other and of others.

    `conversations` and `entries` (UUIDs) are of anybody; most of them are none of the caller's.
    """

    addresses: tuple[str, ...]
    tokens: tuple[str, ...]
    conversations: list[str]
    entries: deque[str]

    @classmethod
    def of(cls, addresses: Sequence[str], tokens: Sequence[str]) -> "Ground":
        ids = {between(one, other).id for one in addresses for other in addresses if one != other}
        return cls(tuple(addresses), tuple(tokens), sorted(ids), deque(maxlen=_REPEATED))


def raw_values(random: Random) -> str:
    """JSON, or nearly, that no encoder would write."""
    depth = random.choice((2, 10, 200, 3000))
    digits = random.choice((5, 19, 20, 300, 5000))
    return random.choice(
        (
            "[" * depth + "]" * depth,
            '{"a":' * depth + "1" + "}" * depth,
            "[" * depth,
            "9" * digits,
            "-" + "9" * digits,
            "0." + "3" * digits,
            f"1e{digits}",
            f"-1e-{digits}",
            "-0",
            "1E+2",
            "01",
            "+1",
            ".5",
            "0x10",
            "NaN",
            "Infinity",
            "nul",
            "'single'",
            r'"\ud800"',
            r'"\udc00\ud800"',
            r'"\u0000"',
            r'"\x41"',
            '"\t"',
            '"\x7f\u2028\ufeff\U0010ffff"',
            r'"😀"',
            '"' + "\u0301" * depth + '"',
            '{"a":1,"a":2}',
            "[1,2,]",
            "{,}",
            "// comment",
            "",
        )
    )


class Speaker:
    """One hostile client's ops. `material` are JSON values to be put where they do not belong."""

    def __init__(
        self, random: Random, email: str, token: str, ground: Ground, material: Sequence[Any]
    ) -> None:
        self._random = random
        self._email = email
        self._token = token
        self._ground = ground
        self._material = list(material) or [None]
        self._sent: deque[tuple[str, str]] = deque(maxlen=50)

    def payload(self, kinds: Sequence[str]) -> bytes:
        random = self._random
        match random.choice(kinds):
            case "fitting":
                return _json(self._fitting())
            case "valid":
                return _json(self.op())
            case "mutated":
                return self._mutated()
            case "odd value":
                op = self._any()
                op[random.choice(list(op))] = "@raw@"
                return _json(op).replace(_RAW.encode(), _unicode(raw_values(random)), 1)
            case "broken":
                return self._broken(_json(self._any()))
            case _:
                return self._no_op()

    def op(self) -> Op:
        """A valid op: in its fields. Whether it is allowed is another matter."""
        random = self._random
        kind = random.choice(OPS)
        op: Op = {"type": kind}
        match kind:
            case "auth":
                op["token"] = self._token if random.random() < 0.8 else self._foreign_token()
            case "send":
                op |= {"id": self._entry(0.3), "to": self._address(), "text": self._text()}
                if random.random() < 0.3:
                    op["sent_at"] = self._time()
            case "edit":
                op |= {"id": self._entry(0.2), "conversation": self._conversation()}
                op |= {"message": self._entry(0.9), "text": self._text()}
            case "delete":
                op |= {"id": self._entry(0.2), "conversation": self._conversation()}
                op["message"] = self._entry(0.9)
            case "typing":
                op |= {"to": self._address(), "active": random.random() < 0.5}
            case "mark":
                op["conversation"] = self._conversation()
                op |= {
                    field: self._seq() for field in ("received", "read") if random.random() < 0.7
                }
            case "resume":
                many = random.choice((0, 1, 1, 2, 2, 5, 501))
                names = [self._conversation() for _ in range(min(many, 5))]
                names += [f"none-{number}" for number in range(many - 5)]
                op["cursors"] = {name: self._seq() for name in names}
        if kind not in ("send", "edit", "delete") and random.random() < 0.5:
            op["id"] = random.choice(("a", "17", "é" * 64, self._entry(0.5), "x" * 64))
        return op

    def _fitting(self) -> Op:
        """An op that is allowed, mostly: on what the caller has sent, in the right conversation."""
        random = self._random
        kind = random.choice(("send", "send", "send", "edit", "delete", "mark", "resume", "typing"))
        others = [one for one in self._ground.addresses if one != self._email]
        to = random.choice(others)
        if kind in ("edit", "delete") and self._sent:
            message, to = random.choice(self._sent)
            conversation = between(self._email, to).id
            op: Op = {"type": kind, "id": self._entry(0.05), "message": message}
            text = {"text": self._text()} if kind == "edit" else {}
            return op | {"conversation": conversation} | text
        conversation = between(self._email, to).id
        match kind:
            case "mark":
                return {"type": kind, "conversation": conversation, "read": random.randint(0, 300)}
            case "resume":
                return {"type": kind, "cursors": {conversation: random.randint(0, 300)}}
            case "typing":
                return {"type": kind, "to": to, "active": True}
            case _:
                id = self._entry(0.05)
                self._sent.append((id, to))
                return {"type": "send", "id": id, "to": to, "text": self._text()}

    def _any(self) -> Op:
        return self._fitting() if self._random.random() < 0.5 else self.op()

    def _mutated(self) -> bytes:
        random = self._random
        op = self._any()
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            field = random.choice(list(op)) if op else "type"
            match random.randrange(7):
                case 0:
                    op.pop(field, None)
                case 1:
                    op[field] = random.choice(self._material)
                case 2:
                    op[str(random.choice(self._material))[:2000]] = random.choice(self._material)
                case 3:
                    op[field.upper()] = op.pop(field, None)
                case 4:
                    other = self.op()
                    op[field] = other[random.choice(list(other))]
                case 5:
                    op[field] = [op.get(field)] * random.choice((0, 1, 2, 50))
                case _:
                    op[field] = {field: op.get(field), "$gt": ""}
        if random.random() < 0.2:  # a key twice
            return _json(op)[:-1] + b"," + _json(self._any())[1:]
        return _json(op)

    def _broken(self, payload: bytes) -> bytes:
        random = self._random
        at = random.randrange(len(payload))
        match random.randrange(8):
            case 0:
                return payload[:at]
            case 1:
                return payload[:at] + random.randbytes(random.randint(1, 8)) + payload[at:]
            case 2:
                flipped = payload[at] ^ (1 << random.randrange(8))
                return payload[:at] + bytes((flipped,)) + payload[at + 1 :]
            case 3:
                bad = random.choice(
                    (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\0")
                )
                return payload[:at] + bad + payload[at:]
            case 4:
                return payload + random.choice((b"}", b"]", b"\0", payload, b"//", b"\n\n "))
            case 5:
                return payload.decode().encode(random.choice(("utf-16", "utf-32", "utf-8-sig")))
            case 6:
                start, end = sorted((at, random.randrange(len(payload))))
                return payload[:start] + payload[start:end] * 3 + payload[end:]
            case _:
                return payload.replace(b'"', random.choice((b"'", b"", b'""')))

    def _no_op(self) -> bytes:
        random = self._random
        match random.randrange(4):
            case 0:
                return random.choice((b"", b" ", b"null", b"[]", b"{}", b"0", b'""', b"true"))
            case 1:
                return _unicode(raw_values(random))
            case 2:
                return random.randbytes(random.randint(1, 200))
            case _:
                return _json(random.choice(self._material))

    def _entry(self, again: float) -> str:
        """The id of an entry: with this probability one that somebody used."""
        ground = self._ground
        if ground.entries and self._random.random() < again:
            return self._random.choice(ground.entries)
        id = str(UUID(int=self._random.getrandbits(128), version=4))
        ground.entries.append(id)
        return id

    def _conversation(self) -> str:
        if self._random.random() < 0.1:
            return self._random.choice(("", "none", "../..", "\0", "é" * 64, "$where"))
        return self._random.choice(self._ground.conversations)

    def _address(self) -> str:
        random = self._random
        address = random.choice(self._ground.addresses)
        if random.random() < 0.8:
            return address
        return random.choice(
            (
                address.upper(),
                f"  {address}\n",
                " " * random.randint(1, 60_000) + address,
                self._email,
                "nobody",
                "",
                f"{address}\0",
                "@",
                "x" * 300 + "@example.org",
                "ﬁ@example.org",
            )
        )

    def _text(self) -> str:
        if self._random.random() < 0.7:
            return "hello"
        return self._random.choice(
            ("", " ", "\0", "x" * 4000, "x" * 4001, "\U0010ffff" * 4000, "\u202e\u0000", "\ufeff")
        )

    def _time(self) -> str:
        return self._random.choice(
            (
                "2024-02-30T00:00:00Z",
                "2024-02-29T23:59:60Z",
                "2024-02-29T12:00:00.123456789+14:00",
                "0001-01-01T00:00:00+23:59",
                "9999-12-31T23:59:59.999999999-23:59",
                "0001-01-01T00:00:00Z",
                "1969-12-31T23:59:59.9999Z",
                "2024-02-29",
                "2024-02-29 12:00:00",
            )
        )

    def _seq(self) -> int:
        random = self._random
        return random.choice((0, 1, 2, 10, random.randint(0, 2000), 2**31, 2**53 - 1))

    def _foreign_token(self) -> str:
        return self._random.choice((*self._ground.tokens, "", "a.b.c", "x" * 8192, "é"))


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _unicode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
