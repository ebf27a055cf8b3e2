"""Delivery: from a commit to every socket that is owed it.

It must never know a request. `Delivery` connects the log, the sockets and the fan-out; the
sequencer puts events in order; `Hub` knows who is connected; a `Connection` is one socket's
outgoing side.
"""

from chat_service.delivery.connection import Connection
from chat_service.delivery.delivery import Delivery, as_log_event
from chat_service.delivery.frames import close_frame, control_frame, text_frame
from chat_service.delivery.hub import Hub
from chat_service.delivery.writer import Flusher, Writer, WriterState

__all__ = [
    "Connection",
    "Delivery",
    "Flusher",
    "Hub",
    "Writer",
    "WriterState",
    "as_log_event",
    "close_frame",
    "control_frame",
    "text_frame",
]
