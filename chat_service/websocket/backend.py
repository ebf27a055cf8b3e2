"""What sockets call inward, and what they share."""

import asyncio

from msgspec import Struct

from chat_service.delivery import Delivery, Hub
from chat_service.fanout import FanOut
from chat_service.inbox import Marking
from chat_service.log import MessageLog
from chat_service.messaging import Messaging
from chat_service.protocol import Limits
from chat_service.settings import ChatSettings
from chat_service.websocket.attention import Attention
from chat_service.websocket.counts import SocketCounts
from chat_service.websocket.resume import Resumption
from chat_service.websocket.strangers import Strangers
from shared.rates import RateLimiter
from shared.tokens import TokenVerifier


class Backend(Struct, frozen=True):
    """The rest of the service, as the sockets of this instance see it.

    `rates` is None where nothing is limited; `draining` is set once the instance stops.
    """

    settings: ChatSettings
    verifier: TokenVerifier
    hub: Hub
    fanout: FanOut
    log: MessageLog
    delivery: Delivery
    messaging: Messaging
    resumption: Resumption
    marking: Marking
    rates: RateLimiter | None
    strangers: Strangers
    attention: Attention
    draining: asyncio.Event
    counts: SocketCounts

    @property
    def limits(self) -> Limits:
        """What each `welcome` says."""
        settings = self.settings
        return Limits(
            text=settings.max_text,
            frame_bytes=settings.max_frame_bytes,
            in_flight=settings.max_in_flight,
            resume_conversations=settings.max_resume_conversations,
        )
