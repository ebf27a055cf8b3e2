"""Many messages from one to another, written without a browser."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from tests.browser.person import Person, log_in
from tests.support.client import ChatClient
from tests.support.system import System

Write = Callable[[Person, Person, int], None]


def writer(system: System) -> Write:
    """Writes `message 0` and so on, in order; returns when all are stored."""

    def write(sender: Person, to: Person, count: int) -> None:
        token = log_in(system.auth.url, sender.email)["access_token"]

        async def all_of_them() -> None:
            async with ChatClient(system.chats[1].url, token) as client:
                for number in range(count - 1):
                    text = f"message {number}" + " and more of it" * (number % 7)
                    await client.say(to.email, text)
                await client.said(to.email, f"message {count - 1}")  # answered in their order

        _in_thread(all_of_them)

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
