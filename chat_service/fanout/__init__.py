"""Fan-out: what was committed on one instance reaches the sockets of all others.

It must never know sockets or MongoDB. `FanOut` publishes and receives; a `Broker` carries what it
publishes, through RabbitMQ or in memory.
"""

from chat_service.fanout.broker import Broker
from chat_service.fanout.events import Batch, Event, Signal
from chat_service.fanout.fanout import FanOut, Receiver
from chat_service.fanout.memory import MemoryBroker
from chat_service.fanout.rabbitmq import RabbitBroker

__all__ = [
    "Batch",
    "Broker",
    "Event",
    "FanOut",
    "MemoryBroker",
    "RabbitBroker",
    "Receiver",
    "Signal",
]
