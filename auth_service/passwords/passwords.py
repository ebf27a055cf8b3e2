"""bcrypt in a bounded thread pool, with timing that never shows whether an account exists.

bcrypt releases the interpreter's lock, so its threads use other cores. The pool is its own: the
default one also serves name resolution and the database driver, which must not wait behind it.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt
from prometheus_client import CollectorRegistry, Gauge, Histogram

from auth_service.passwords import common as common_passwords
from shared.errors import FieldProblem, InvalidInput, Unavailable
from shared.observability.logs import get_logger

log = get_logger("passwords")

T = TypeVar("T")

MIN_PASSWORD = 8
"""Characters: NIST SP 800-63B, section 5.1.1.2."""
MAX_PASSWORD_BYTES = 72
"""bcrypt ignores the rest, so longer passwords are refused."""


class Passwords:
    """Hashes and verifies. Both raise `Unavailable` if `queue` computations are waiting already."""

    def __init__(self, *, cost: int, workers: int, queue: int, registry: CollectorRegistry) -> None:
        common_passwords.load()
        self._cost = cost
        self._workers = workers
        self._limit = workers + queue
        self._pending = 0
        self._latest_seconds = 0.0
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="bcrypt")
        depth = Gauge(
            "auth_bcrypt_pending",
            "Passwords being computed or waiting for a thread",
            registry=registry,
        )
        depth.set_function(lambda: self._pending)
        self._seconds = Histogram(
            "auth_bcrypt_seconds",
            "Time that a thread computes, by kind of work",
            ["work"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5),
            registry=registry,
        )

    async def hash(self, password: str) -> str:
        """A new hash of a password that `require_acceptable` has accepted."""
        return await self._compute("hash", lambda: _hash(password.encode(), self._cost))

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether `hashed` is a hash of `password`; None stands for an employee that is unknown.

        A refusal takes as long as a hash of today's cost, whatever the reason. For an unknown
        employee one is computed. For a hash of a lower cost c the rest is made up: after 2^c
        rounds, 2^c + 2^(c+1) + … + 2^(today - 1) more make 2^today.
        """
        return await self._compute("verify", lambda: self._verify(password.encode(), hashed))

    def outdated(self, hashed: str) -> bool:
        """Whether `hashed` costs less than a new hash would."""
        return (_cost_of(hashed) or 0) < self._cost

    def close(self) -> None:
        """Drop what waits. What is being computed ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password: bytes, hashed: str | None) -> bool:
        cost = _cost_of(hashed) if hashed is not None else None
        if hashed is None or cost is None:
            if hashed is not None:
                log.error("a stored password is not a bcrypt hash")
            _hash(password, self._cost)
            return False
        if bcrypt.checkpw(password, hashed.encode()):
            return True
        for rest in range(cost, self._cost):
            _hash(password, rest)
        return False

    async def _compute(self, work: str, compute: Callable[[], T]) -> T:
        if self._pending >= self._limit:
            until_empty = self._pending * self._latest_seconds / self._workers
            raise Unavailable(
                "Too many passwords are waiting to be checked.", retry_after=max(1.0, until_empty)
            )
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, self._timed, work, compute
            )
        finally:
            self._pending -= 1

    def _timed(self, work: str, compute: Callable[[], T]) -> T:
        started = time.perf_counter()
        try:
            return compute()
        finally:
            self._latest_seconds = time.perf_counter() - started
            self._seconds.labels(work).observe(self._latest_seconds)


def require_acceptable(password: str, email: str, path: str = "$.password") -> None:
    """Raise `InvalidInput` if a new password of the employee with this address (normalised) is too
    short, easy to guess, or not checkable."""
    if len(password) < MIN_PASSWORD:
        raise _unacceptable(path, f"expected at least {MIN_PASSWORD} characters")
    require_checkable(password, path)
    if common_passwords.is_common(password):
        raise _unacceptable(path, "it is among the most common passwords")
    name, _, _ = email.partition("@")
    guessable = [email] if len(name) < MIN_PASSWORD else [email, name]
    if any(part in password.casefold() for part in guessable):
        raise _unacceptable(path, "it contains the email address")


def require_checkable(password: str, path: str = "$.password") -> None:
    """Raise `InvalidInput` if this cannot be anybody's password, because bcrypt cannot hash it."""
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        raise _unacceptable(path, f"expected at most {MAX_PASSWORD_BYTES} bytes of UTF-8")
    if "\x00" in password:
        raise _unacceptable(path, "it has a NUL character")


def _unacceptable(path: str, reason: str) -> InvalidInput:
    return InvalidInput(
        f"The password cannot be used: {reason}.", problems=(FieldProblem(path, reason),)
    )


def _hash(password: bytes, cost: int) -> str:
    return bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode()


def _cost_of(hashed: str) -> int | None:
    """The cost of a `$2a$`, `$2b$` or `$2y$` hash (which differ in name only), None for others."""
    parts = hashed.split("$")
    if len(parts) != 4 or parts[1] not in {"2a", "2b", "2y"} or len(parts[3]) != 53:
        return None
    return int(parts[2]) if parts[2].isdecimal() and 4 <= int(parts[2]) <= 31 else None
