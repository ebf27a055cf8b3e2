"""Many messages from one to another, written without a browser."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from tests.browser.person import Person, log_in
from tests.support.client import ChatClient
from tests.support.system import System

Write = Callable[[Person, Person, int | Sequence[str]], None]

AT_ONCE = 500
"""Messages on one socket, which has to be done with them before its token expires."""


def writer(system: System) -> Write:
    """Writes these texts, or so many (`message 0` and so on), in order; returns when all are
    stored."""

    def write(sender: Person, to: Person, what: int | Sequence[str]) -> None:
        async def some(token: str, texts: Sequence[str]) -> None:
            async with ChatClient(system.chats[1].url, token) as client:
                for text in texts[:-1]:
                    await client.say(to.email, text)
                await client.said(to.email, texts[-1])  # answered in their order

        texts = _numbered(what) if isinstance(what, int) else what
        for start in range(0, len(texts), AT_ONCE):
            token = log_in(system.auth.url, sender.email)["access_token"]
            _in_thread(partial(some, token, texts[start : start + AT_ONCE]))

    return write


def _numbered(count: int) -> list[str]:
    """Of different lengths; the last one is short."""
    texts = [f"message {number}{' and more of it' * (number % 7)}" for number in range(count - 1)]
    return [*texts, f"message {count - 1}"]


def _in_thread(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs it beside Playwright, which has a loop of its own in this thread."""
    problems: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if problems:
        raise problems[0]
