"""The REST API: endpoints, their schemas, and the page.

It must never know MongoDB or RabbitMQ. The app serves `ENDPOINTS`, and keeps the objects that they
call under the keys named here.
"""

from chat_service.rest import asyncapi, conversations, messages, presence
from chat_service.rest.conversations import CONVERSATION_LIST, MARKING
from chat_service.rest.messages import MESSAGING
from chat_service.rest.page import add_page
from chat_service.rest.presence import PRESENCE

__all__ = ["CONVERSATION_LIST", "ENDPOINTS", "MARKING", "MESSAGING", "PRESENCE", "add_page"]

ENDPOINTS = (
    *messages.ENDPOINTS,
    *conversations.ENDPOINTS,
    *presence.ENDPOINTS,
    *asyncapi.ENDPOINTS,
)
