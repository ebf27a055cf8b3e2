"""Slows down guessing, for whoever guesses.

A password may be tried freely a few times; after that each attempt has to wait twice as long as
the one before. The delay belongs to an account *as seen from one address*, so a stranger's guesses
delay the stranger. Two wider limits stop those who try many accounts from one address, or one
account from many addresses. Whoever has logged in to the account from the address in the last 90
days is exempt from both: a rightful owner is delayed only by their own mistakes, or when they log
in from a new place during an attack from many.

It must not make a difference whether an account exists: unknown addresses are counted like others.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct
from prometheus_client import CollectorRegistry

from auth_service.accounts.throttle_store import Charge, Limit, Throttles
from shared.errors import RateLimited, ServiceError, Unavailable
from shared.http.addresses import one_client
from shared.observability.logs import get_logger
from shared.observability.metrics import outcomes

log = get_logger("throttling")

TRUSTED_DAYS = 90
THROTTLED = ("password", "sign_up", "refresh")

ADDRESS = Limit("address", free=100, forgiven=60, first=1, longest=60)
ACCOUNT = Limit("account", free=50, forgiven=60, first=1, longest=60)
REFRESH = Limit("refresh", free=60, forgiven=5, first=1, longest=60)
"""Of one session: a client refreshes once in ten minutes."""
FAILED_REFRESH = Limit("failed refresh", free=100, forgiven=10, first=1, longest=60)


class Attempt(Struct):
    """An attempt at a password; whoever checks it says whether it was `right`."""

    pair: str
    charges: list[Charge]
    right: bool = False


class Throttle:
    """Every method raises `RateLimited`, with the time to wait; without a store, never."""

    def __init__(
        self, store: Throttles | None, *, failures: int, sign_ups: int, registry: CollectorRegistry
    ) -> None:
        """`failures` of one account from one address, and `sign_ups` from one, are free."""
        self._store = store
        self._pair = Limit("pair", free=failures, forgiven=900, first=1, longest=900)
        self._sign_up = Limit("sign-up", free=sign_ups, forgiven=10, first=1, longest=600)
        self._refused = outcomes(
            registry, "auth_throttled_total", "Attempts that had to wait", "what", THROTTLED
        )

    @asynccontextmanager
    async def password(self, email: str, address: str) -> AsyncIterator[Attempt]:
        """Enter this to check a password of the account `email` (normalised), and set `right`.

        The attempt counts as wrong from the start, so concurrent attempts cannot outrun the count.
        It is refunded if the password was right, or was not checked: the block raised a
        `ServiceError`. An attempt that has to wait counts nowhere.
        """
        client = one_client(address)
        attempt = Attempt(f"{_digest(email)} {client}", [])
        if self._store is None:
            yield attempt
            return
        try:
            await self._charge_password(self._store, attempt, _digest(email), client)
            yield attempt
        except ServiceError:
            await self._refund(self._store, attempt)
            raise
        if attempt.right:
            await self._store.settle(
                self._pair, attempt.pair, refund=attempt.charges, days=TRUSTED_DAYS
            )

    async def _charge_password(
        self, store: Throttles, attempt: Attempt, account: str, client: str
    ) -> None:
        wait, trusted = await store.look(self._pair, attempt.pair)
        self._require("password", wait)  # before a stranger's guess is charged to the account
        wider = [] if trusted else [(ADDRESS, client), (ACCOUNT, account)]
        for limit, key in (*wider, (self._pair, attempt.pair)):
            charge = await store.charge(limit, key)
            self._require("password", charge.wait)
            attempt.charges.append(charge)

    async def _refund(self, store: Throttles, attempt: Attempt) -> None:
        try:
            await store.refund(attempt.charges)
        except Unavailable as error:
            log.warning("could not refund a login attempt", reason=error.detail)

    async def sign_up(self, address: str) -> None:
        if self._store is not None:
            charge = await self._store.charge(self._sign_up, one_client(address))
            self._require("sign_up", charge.wait)

    async def refresh(self, session: str, address: str) -> None:
        if self._store is not None:
            wait = await self._store.wait(FAILED_REFRESH, one_client(address))
            self._require("refresh", wait or (await self._store.charge(REFRESH, session)).wait)

    async def refresh_failed(self, address: str) -> None:
        if self._store is not None:
            await self._store.charge(FAILED_REFRESH, one_client(address))

    def _require(self, what: str, wait: float) -> None:
        if wait > 0:
            self._refused.labels(what).inc()
            raise RateLimited("Too many attempts: wait before the next one.", retry_after=wait)


def _digest(email: str) -> str:
    return hashlib.sha256(email.encode()).hexdigest()[:32]
