"""The end of a socket's token: a warning in time to replace it, then the end of the socket."""

import asyncio
import time
from datetime import UTC, datetime

from chat_service.delivery import Connection
from chat_service.protocol import CloseCode, TokenExpiring

WARNING_SECONDS = 60
"""Before the token expires; a token that is shorter is warned of at once."""


class TokenExpiry:
    """Watches the token that a connection has."""

    __slots__ = ("_connection", "_timer")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Watch the present token from now on, in place of the one before."""
        self.cancel()
        left = self._connection.claims.exp - time.time()
        if left > WARNING_SECONDS:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(left - WARNING_SECONDS, self._warn)
        else:
            self._warn()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _warn(self) -> None:
        expires = self._connection.claims.exp
        self._connection.send(TokenExpiring(datetime.fromtimestamp(expires, UTC)))
        loop = asyncio.get_running_loop()
        left = max(0.0, expires - time.time())
        self._timer = loop.call_later(left, self._connection.close, CloseCode.TOKEN_EXPIRED)
