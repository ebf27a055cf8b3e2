"""Guessing is made slow, for the one who guesses.

A password may be tried freely a few times; then each attempt has to wait twice as long as the one
before. What waits is an account *as seen from one address*, so a stranger's guesses delay the
stranger. Two wider nets are for those who have many accounts or many addresses to try: one of the
address, over all accounts, and one of the account, over all addresses. Both let pass whoever has
logged in to this account from this address in the last 90 days: so a rightful owner is delayed only
by their own mistakes, or where they log in from a new place during an attack from many.

It must not matter here whether an account exists: unknown addresses are counted like others.
"""

import hashlib

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter

from auth_service.accounts.throttle_store import Limit, Taken, Throttles
from shared.errors import RateLimited, ServiceError, Unavailable
from shared.http.addresses import one_client
from shared.observability.logs import get_logger

log = get_logger("throttling")

TRUSTED_DAYS = 90

ADDRESS = Limit("address", free=100, forgiven=60, first=1, longest=60)
ACCOUNT = Limit("account", free=50, forgiven=60, first=1, longest=60)
REFRESH = Limit("refresh", free=60, forgiven=5, first=1, longest=60)
"""Of one session: a client needs one in ten minutes."""
FAILED_REFRESH = Limit("failed refresh", free=100, forgiven=10, first=1, longest=60)


class Attempt(Struct, frozen=True):
    """A password that is being tried."""

    pair: str
    charged: list[Taken]


class Throttle:
    """Every method raises `RateLimited`, saying when to come again; with no store, never."""

    def __init__(
        self, store: Throttles | None, *, failures: int, sign_ups: int, registry: CollectorRegistry
    ) -> None:
        """`failures` of one account from one address, and `sign_ups` from one, are free."""
        self._store = store
        self._pair = Limit("pair", free=failures, forgiven=900, first=1, longest=900)
        self._sign_up = Limit("sign-up", free=sign_ups, forgiven=10, first=1, longest=600)
        self._refused = Counter(
            "auth_throttled_total", "Attempts that have to wait", ["what"], registry=registry
        )
        for what in ("password", "sign_up", "refresh"):
            self._refused.labels(what)

    async def password(self, email: str, address: str) -> Attempt:
        """Somebody wants to try a password of this account (normalised address). It counts as wrong
        until `right` or `unchecked` is called, so that attempts at once cannot outrun their
        counting. One that has to wait counts nowhere."""
        client = one_client(address)
        attempt = Attempt(f"{_digest(email)} {client}", [])
        if self._store is None:
            return attempt
        wait, trusted = await self._store.look(self._pair, attempt.pair)
        self._require("password", wait)  # a stranger who has to wait anyway charges nobody else
        nets = [] if trusted else [(ADDRESS, client), (ACCOUNT, _digest(email))]
        try:
            for limit, key in (*nets, (self._pair, attempt.pair)):
                taken = await self._store.charge(limit, key)
                self._require("password", taken.wait)
                attempt.charged.append(taken)
        except ServiceError:
            await self.unchecked(attempt)
            raise
        return attempt

    async def unchecked(self, attempt: Attempt) -> None:
        """The password was not looked at, so nothing was learnt of it: it does not count."""
        if self._store is not None:
            try:
                await self._store.refund(attempt.charged)
            except Unavailable as error:
                log.warning("an attempt that was none stays counted", reason=error.detail)

    async def right(self, attempt: Attempt) -> None:
        """The password was right."""
        if self._store is not None:
            await self._store.settle(
                self._pair, attempt.pair, forgive=attempt.charged, days=TRUSTED_DAYS
            )

    async def sign_up(self, address: str) -> None:
        if self._store is not None:
            taken = await self._store.charge(self._sign_up, one_client(address))
            self._require("sign_up", taken.wait)

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
