"""The access log: one line a request, in the format of all other logs."""

import asyncio
import logging
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from shared.observability.logs import JsonHandler, get_logger

_NAME = "http"

_encode = msgspec.json.Encoder().encode


class RequestLine(Struct, frozen=True, gc=False):
    """`ms` is the duration, `path` is as it was sent, `remote` is the client's address."""

    request_id: str
    method: str
    path: str
    status: int
    ms: float
    remote: str


class _Stamped(RequestLine, frozen=True, gc=False, kw_only=True):
    timestamp: datetime
    event: str = "request"
    level: str = "info"
    logger: str = _NAME


class RequestLog:
    """Writes the lines of one iteration of the event loop together.

    JSON lines bypass the logging library, in which a line costs more than everything else that a
    small request does outside its handler.
    """

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._level = logging.getLogger(_NAME)
        self._log = get_logger(_NAME)
        found = [one for one in logging.getLogger().handlers if isinstance(one, JsonHandler)]
        self._handler = found[0] if found else None

    def add(self, line: RequestLine) -> None:
        if self._handler is None:
            self._log.info("request", **msgspec.structs.asdict(line))
        elif self._level.isEnabledFor(logging.INFO):
            if not self._lines:
                asyncio.get_running_loop().call_soon(self._write, self._handler)
            stamped = _Stamped(*msgspec.structs.astuple(line), timestamp=datetime.now(UTC))
            self._lines.append(_encode(stamped))

    def _write(self, handler: JsonHandler) -> None:
        lines, self._lines = self._lines, []
        handler.write(b"\n".join(lines).decode())
