"""What a broker has to be: the contract that the fan-out builds on, kept by RabbitMQ and in memory.

- A message published with some keys reaches every instance that has bound at least one of them, the
  publisher included, once. Messages of one publisher arrive in the order of their publishing.
- Delivery is at most once, and best effort: an instance that is cut off, or too slow, loses
  messages. It learns of both: `interrupted` and later `restored` are called on it, or `dropped`.
- Bindings belong to the instance, not to its connection: they are there again when `restored` is
  called.
"""

from collections.abc import Collection
from typing import Protocol


class BrokerDown(Exception):
    """The broker did not take a message; it may or may not reach anybody."""


class Listener(Protocol):
    """What an instance is told. All calls are synchronous and must not block.

    `restored` and `interrupted` come in turn, `restored` first. A message may come before
    `restored`: it was published by somebody else in the meantime.
    """

    def received(self, body: bytes) -> None:
        """A message for one of the bound keys."""

    def restored(self) -> None:
        """Connected and bound: what is published from now on will be received."""

    def interrupted(self) -> None:
        """Cut off: what is published from now on may be missed."""

    def dropped(self) -> None:
        """Messages for this instance were thrown away, because too many waited for it."""


class Broker(Protocol):
    """One instance's connection to the others."""

    @property
    def connected(self) -> bool:
        """Between `restored` and `interrupted`."""

    async def run(self, listener: Listener) -> None:
        """Stay connected until cancelled."""

    def reset(self) -> None:
        """Give the connection up, if there is one, and make another: this one seems to be deaf.

        `interrupted` is called soon, and `restored` when the other one is there.
        """

    async def bind(self, key: str) -> None:
        """Receive messages with `key`. Returns when that holds, or at once where the broker is
        away: then it will hold when `restored` is called."""

    async def unbind(self, key: str) -> None:
        """Stop receiving messages with `key`, sooner or later."""

    async def publish(self, keys: Collection[str], body: bytes, *, confirm: bool) -> None:
        """Publish one message with one or more keys.

        With `confirm` it returns once the broker has it. Raises `BrokerDown`.
        """
