"""Structured logs: JSON lines for machines, a console for people. Never log a body or a header."""

import json
import logging
import sys
import time
from contextvars import ContextVar
from typing import ClassVar, TextIO

import msgspec
import structlog

REQUEST: ContextVar[tuple[str, str] | None] = ContextVar("request", default=None)
"""Id and client's address of the current request; every line has them."""


class JsonHandler(logging.StreamHandler[TextIO]):
    """Writes JSON lines."""

    def write(self, lines: str) -> None:
        """Write complete lines, the last one without its newline."""
        self.acquire()
        try:
            self.stream.write(lines + self.terminator)
            self.flush()
        finally:
            self.release()


def configure(log_format: str, level: str, stream: TextIO = sys.stdout) -> None:
    """Send our logs and those of libraries to `stream`; `log_format` is "json" or "console"."""
    stamps: list[structlog.typing.Processor] = [
        _of_request,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler: logging.StreamHandler[TextIO]
    renderer: structlog.typing.Processor
    if log_format == "json":
        handler = JsonHandler(stream)
        stamps.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer(serializer=_json)
    else:
        handler = logging.StreamHandler(stream)
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*stamps, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("aiormq", "aio_pika", "pymongo"):
        logging.getLogger(chatty).setLevel("ERROR")
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *stamps,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose keyword arguments become fields: `log.info("login", employee=email)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


class Recurring:
    """A warning that may occur thousands of times a second: the first is logged at once, then one
    in `SECONDS`, with the count since the last. `total` counts all."""

    SECONDS: ClassVar[float] = 60.0

    def __init__(self, logger: structlog.stdlib.BoundLogger, event: str) -> None:
        self._logger = logger
        self._event = event
        self._told_at = float("-inf")
        self._untold = 0
        self.total = 0

    def warn(self, **fields: object) -> None:
        self.total += 1
        self._untold += 1
        now = time.monotonic()
        if now - self._told_at >= self.SECONDS:
            self._logger.warning(self._event, count=self._untold, **fields)
            self._told_at, self._untold = now, 0


def _of_request(
    _logger: object, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    about = REQUEST.get()
    return event if about is None else {"request_id": about[0], "remote": about[1], **event}


def _json(event: object, **_: object) -> str:
    try:
        return msgspec.json.encode(event, enc_hook=str).decode()
    except (ValueError, TypeError, OverflowError):  # lone surrogates, huge numbers
        return json.dumps(event, default=str, skipkeys=True)
