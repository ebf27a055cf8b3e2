"""WebSockets: the endpoint, one socket's ops, and resume.

It must never know MongoDB or RabbitMQ. `Sockets` serves `GET /ws`; `Services` is what ops call.
"""

from chat_service.websocket.counts import SocketCounts
from chat_service.websocket.endpoint import ENDPOINTS, SOCKETS, Sockets
from chat_service.websocket.ops import Services
from chat_service.websocket.resume import ResumeLimits, Resumption

__all__ = [
    "ENDPOINTS",
    "SOCKETS",
    "ResumeLimits",
    "Resumption",
    "Services",
    "SocketCounts",
    "Sockets",
]
