"""Many messages from one to another, written without a browser."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from tests.browser.person import Person, log_in
from tests.support.client import ChatClient
from tests.support.system import System

Write = Callable[[Person, Person, int], None]


AT_ONCE = 500
"""Messages on one socket, which has to be done with them before its token expires."""


def writer(system: System) -> Write:
    """Writes `message 0` and so on, in order; returns when all are stored."""

    def write(sender: Person, to: Person, count: int) -> None:
        async def some(token: str, numbers: range) -> None:
            async with ChatClient(system.chats[1].url, token) as client:
                for number in numbers[:-1]:
                    await client.say(to.email, text(number))
                await client.said(to.email, text(numbers[-1]))  # answered in their order

        def text(number: int) -> str:
            padding = " and more of it" * (number % 7) if number < count - 1 else ""
            return f"message {number}{padding}"

        for start in range(0, count, AT_ONCE):
            token = log_in(system.auth.url, sender.email)["access_token"]
            numbers = range(start, min(count, start + AT_ONCE))
            _in_thread(partial(some, token, numbers))

    return write


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
