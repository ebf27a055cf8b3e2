"""Counts what a broker delivers: a relay in front of it that reads frames (AMQP 0-9-1, 2.3.5)."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

_HEADER = struct.Struct("!BHI")
_METHOD = 1
_DELIVER = struct.pack("!HH", 60, 60)
_FRAME_END_BYTES = 1


class AmqpMeter:
    """`url` is the broker's, through here; `deliveries` counts messages to all consumers."""

    def __init__(self, broker_url: str) -> None:
        self.deliveries = 0
        self.broker = urlsplit(broker_url)
        self.url = ""


class _Upstream(asyncio.Protocol):
    """From the broker to one client."""

    def __init__(self, meter: AmqpMeter, client: asyncio.Transport) -> None:
        self._meter = meter
        self._client = client
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        self._client.write(data)
        received = self._rest + data
        at = 0
        while len(received) - at >= _HEADER.size:
            kind, _, size = _HEADER.unpack_from(received, at)
            end = at + _HEADER.size + size + _FRAME_END_BYTES
            if end > len(received):
                break
            payload = at + _HEADER.size
            if kind == _METHOD and received[payload : payload + 4] == _DELIVER:
                self._meter.deliveries += 1
            at = end
        self._rest = received[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.close()


class _Client(asyncio.Protocol):
    """From one client to the broker."""

    def __init__(self, meter: AmqpMeter) -> None:
        self._meter = meter
        self._early = b""
        self._broker: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._opening = asyncio.create_task(self._open())

    def data_received(self, data: bytes) -> None:
        if self._broker is None:
            self._early += data
        else:
            self._broker.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._opening.cancel()
        if self._broker is not None:
            self._broker.close()

    async def _open(self) -> None:
        broker = self._meter.broker
        try:
            transport, _ = await asyncio.get_running_loop().create_connection(
                lambda: _Upstream(self._meter, self._transport),
                broker.hostname or "127.0.0.1",
                broker.port or 5672,
            )
        except OSError:
            self._transport.close()
            return
        transport.write(self._early)
        self._broker = transport


@asynccontextmanager
async def amqp_meter(broker_url: str) -> AsyncIterator[AmqpMeter]:
    meter = AmqpMeter(broker_url)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Client(meter), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    credentials = meter.broker.netloc.rpartition("@")[0]
    meter.url = meter.broker._replace(netloc=f"{credentials}@127.0.0.1:{port}").geturl()
    try:
        yield meter
    finally:
        server.close()
