"""One authenticated socket: what it is sent, without ever waiting for it.

It must never know who else is connected.
"""

from collections.abc import Callable

from chat_service.delivery.frames import text_frame
from chat_service.delivery.resume_gate import GateState, ResumeGate
from chat_service.delivery.send_window import SendWindow
from chat_service.delivery.writer import Writer
from chat_service.protocol import CloseCode, ServerEvent, encode
from shared.tokens import Claims

_JOINING = GateState.JOINING


class Connection:
    """Joins a socket's writer, its send window of `in_flight` sends, and its resume gate, which is
    what the hub gives events to.

    `close` closes the socket with a code, from any task and without waiting.
    """

    __slots__ = ("claims", "close", "employee", "gate", "id", "token", "window", "writer")

    def __init__(
        self,
        writer: Writer,
        claims: Claims,
        token: str,
        in_flight: int,
        close: Callable[[CloseCode], None],
    ) -> None:
        self.id = writer.id
        self.claims = claims
        self.token = token
        self.employee = claims.email
        self.close = close
        self.writer = writer
        self.window = SendWindow(in_flight)
        self.gate = ResumeGate(writer)

    def send(self, event: ServerEvent) -> None:
        self.writer.offer(text_frame(encode(event)))

    def signal(self, frame: bytes) -> None:
        """Offer something that is worth nothing later: dropped where the peer reads slowly, or was
        not welcomed yet."""
        if self.gate.state is not _JOINING:
            self.writer.offer_or_drop(frame)

    def resync(self, frame: bytes) -> None:
        """Offer a `resync`, but not before the welcome: every client resumes after that anyway."""
        if self.gate.state is not _JOINING:
            self.writer.offer(frame)
