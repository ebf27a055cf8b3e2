"""What a broker promises: the contract that the fan-out builds on, kept by RabbitMQ and in memory.

- A message reaches, once, every instance that has bound at least one of its keys, the publisher
  included. Messages of one publisher arrive in the order in which they were published.
- Delivery is at most once. An instance that is cut off or too slow loses messages, and is told: by
  `interrupted` and later `restored`, or by `dropped`.
- Bindings belong to the instance, not to its connection: they hold again when `restored` is called.
"""

from collections.abc import Collection
from typing import Protocol


class BrokerDown(Exception):
    """The broker did not take a message; it may or may not reach anybody."""


class Listener(Protocol):
    """What a broker calls. The calls are synchronous and must not block.

    `restored` and `interrupted` take turns, `restored` first. A message may come before `restored`:
    others publish while the connection is made.
    """

    def received(self, body: bytes) -> None:
        """A message for one of the bound keys."""

    def restored(self) -> None:
        """Connected and bound: what is published from now on will be received."""

    def interrupted(self) -> None:
        """Cut off: what is published from now on may be missed."""

    def dropped(self) -> None:
        """Messages for this instance were dropped, because too many waited for it."""


class Broker(Protocol):
    """One instance's connection to the others."""

    @property
    def connected(self) -> bool:
        """Between `restored` and `interrupted`."""

    async def run(self, listener: Listener) -> None:
        """Stay connected until cancelled."""

    def reset(self) -> None:
        """Replace the connection, if there is one, by another: this one seems to carry nothing.

        `interrupted` is called soon, and `restored` once there is another.
        """

    async def bind(self, key: str) -> None:
        """Receive messages with `key`. Returns once that holds; where the broker is away, at once,
        and it holds when `restored` is called."""

    async def unbind(self, key: str) -> None:
        """Stop receiving messages with `key`, sooner or later."""

    async def publish(self, keys: Collection[str], body: bytes, *, confirm: bool) -> None:
        """Publish one message with one or more keys. With `confirm`, return once the broker has it.

        Raises `BrokerDown`.
        """
