"""WebSockets: the endpoint, one socket's ops, and resume.

It must never know MongoDB or RabbitMQ. `Sockets` serves `GET /ws`; `Backend` is what it calls.
"""

from chat_service.websocket.attention import Attention
from chat_service.websocket.backend import Backend
from chat_service.websocket.counts import SocketCounts
from chat_service.websocket.endpoint import ENDPOINTS, SOCKETS, Sockets
from chat_service.websocket.resume import ResumeLimits, Resumption
from chat_service.websocket.strangers import Strangers

__all__ = [
    "ENDPOINTS",
    "SOCKETS",
    "Attention",
    "Backend",
    "ResumeLimits",
    "Resumption",
    "SocketCounts",
    "Sockets",
    "Strangers",
]
