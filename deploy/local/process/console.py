"""What run-all says on the terminal: every process's lines behind its name, in honcho's format."""

import sys
from collections import defaultdict, deque
from datetime import UTC, datetime

from honcho.printer import Message, Printer

TAIL_LINES = 15
OURSELVES = "run-all"
LONGEST_NAME = "rabbitmq"


class Console:
    """honcho's printer, which also remembers the last lines of each process.

    Not to be used by two threads at once: others than the main one speak through honcho's events.
    """

    def __init__(self) -> None:
        self._printer = Printer(sys.stdout)
        self._tails: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=TAIL_LINES))
        self.width = 0  # set by honcho to the longest of the names it knows

    def write(self, message: Message) -> None:
        text = message.data
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        self._tails[message.name].extend(text.splitlines())
        self._printer.width = max(self.width, len(LONGEST_NAME))
        self._printer.write(message)

    def say(self, text: str, name: str = OURSELVES) -> None:
        self.write(line(text, name))

    def tail(self, name: str) -> str:
        return "\n".join(self._tails[name].copy())


def line(text: str, name: str = OURSELVES) -> Message:
    now = datetime.now(UTC).astimezone()
    return Message(type="line", data=text, time=now, name=name, colour=None)
