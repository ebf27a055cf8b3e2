"""A device that remembers what passed and what its user sees, for a test to look at."""

from collections.abc import Callable
from itertools import cycle
from typing import NamedTuple

from chat_service.log import between
from tests.support.device.frames import AnyFrame, Closed, Event, Failed, Received
from tests.support.device.messenger import Account, Messenger


class Shown(NamedTuple):
    """An entry as the user sees it; its place in the view is its `seq`."""

    seq: int
    id: str
    sender: str
    text: str | None


class Device(Messenger):
    """`async with Device(ann, here, there) as device`: it connects to these addresses in turn.

    `frames` is everything, in its order. `acks` are conversation and position, by id. `gaps`
    counts the times that it saw that it missed something, `repeats` the entries of others that came
    twice outside of a resume. What contradicts the promises of the service fails whoever waits
    (`until`).
    """

    def __init__(
        self, person: Account, *urls: str, name: str = "", heartbeat: float | None = None
    ) -> None:
        super().__init__(person, cycle(urls), heartbeat=heartbeat)
        self.name = name
        self.frames: list[AnyFrame] = []
        self.acks: dict[str, tuple[str, int]] = {}
        self.refusals: list[Event] = []
        self.farewells: list[Event] = []
        self.closes: list[int] = []
        self.failures: list[str] = []
        """Why connections could not be opened."""
        self.resyncs = 0
        self.gaps = 0
        self.repeats = 0
        self._shown: dict[str, dict[int, Shown]] = {}
        self._covered: dict[str, int] = {}
        """Up to where resumes have got: what they sent may come once more."""
        self._contradictions: list[str] = []

    def view(self, other: Account) -> list[Shown]:
        """What it shows of the conversation with `other`: everything up to the first gap."""
        conversation = between(self.person.email, other.email).id
        shown = self._shown.get(conversation, {})
        return [shown[seq] for seq in range(1, self.cursor(other) + 1)]

    def cursor(self, other: Account) -> int:
        """How much of that it shows."""
        conversation = between(self.person.email, other.email).id
        return self.positions.cursors.get(conversation, 0)

    async def until(self, condition: Callable[[], bool]) -> None:
        await super().until(lambda: bool(self._contradictions) or condition())
        assert not self._contradictions, f"{self._contradictions[:3]}: {self.state}"

    @property
    def state(self) -> str:
        return (
            f"{super().state}, {len(self.acks)} acknowledged, closed {self.closes},"
            f" {self.resyncs} resyncs, {self.gaps} gaps, last refusals {self.refusals[-2:]},"
            f" last failures to connect {self.failures[-2:]}"
        )

    def record(self, frame: AnyFrame) -> None:
        self.frames.append(frame)
        match frame:
            case Closed():
                self.closes.append(frame.code)
            case Failed():
                self.failures.append(frame.why)
            case Received(event=event):
                self._received(event)

    def _received(self, event: Event) -> None:
        match event["type"]:
            case "message" | "edited" | "deleted":
                self._entry(event)
            case "ack":
                self._acknowledged(event)
            case "error":
                self.refusals.append(event)
            case "resync":
                self.resyncs += 1
            case "resumed":
                self._resumed_to(event)
            case "going_away":
                self.farewells.append(event)

    def _entry(self, event: Event) -> None:
        conversation, seq, sender = event["conversation"], event["seq"], event["sender"]
        if not self.resuming:
            if self.positions.has(conversation, seq):
                theirs = sender != self.person.email
                self.repeats += theirs and seq > self._covered.get(conversation, 0)
            elif seq > self.positions.know(conversation) + 1:
                self.gaps += 1
        # After a resume an entry is as it is now.
        original = event["type"] == "message" and not event.keys() & {"edited_at", "deleted"}
        self._show(conversation, Shown(seq, event["id"], sender, event.get("text")), original)

    def _acknowledged(self, ack: Event) -> None:
        id, place = ack["id"], (ack["conversation"], ack["seq"])
        if self.acks.setdefault(id, place) != place:
            self._contradictions.append(f"{id} was acknowledged at {self.acks[id]} and {place}")
        if id in self.outbox:
            op = self.outbox[id]
            entry = Shown(ack["seq"], id, self.person.email, op.get("text"))
            self._show(ack["conversation"], entry, original=op["type"] == "send")

    def _show(self, conversation: str, entry: Shown, original: bool) -> None:
        present = self._shown.setdefault(conversation, {}).setdefault(entry.seq, entry)
        if present[:3] != entry[:3] or (original and present.text != entry.text):
            self._contradictions.append(f"{entry} came where {present} was")

    def _resumed_to(self, event: Event) -> None:
        for conversation, state in event["conversations"].items():
            self._covered[conversation] = state["head"]
            if state["complete"] and self.positions.know(conversation) < state["head"]:
                self._contradictions.append(f"resumed, but not up to {state}")
