"""What a device's frames say, as records of the history."""

from collections.abc import Callable, Mapping
from typing import Any

from chat_service.log import between
from tests.fault.chaos.history import (
    LOST_CONNECTION,
    Answered,
    Connected,
    Disconnected,
    Invoked,
    Kind,
    Outcome,
    Recorder,
    ResumeAsked,
    ResumeEnded,
    ResyncTold,
    Saw,
    SawMarker,
    SawTyping,
)
from tests.support.device import Closed, Device, Event, Opened, Received, Sent

KINDS = {"message": Kind.MESSAGE, "edited": Kind.EDIT, "deleted": Kind.DELETE}
OPS = {"send": Kind.MESSAGE, "edit": Kind.EDIT, "delete": Kind.DELETE}


def chronicle(device: Device, instances: Mapping[str, str], recorder: Recorder) -> None:
    """Add all that the device did and saw. `instances` are names by URL."""
    _Chronicle(device, instances, recorder).write()


class _Chronicle:
    def __init__(self, device: Device, instances: Mapping[str, str], recorder: Recorder) -> None:
        self._device = device
        self._instances = instances
        self._recorder = recorder
        self._connection: int | None = None
        self._instance = ""
        self._resuming: str | None = None
        self._at = 0.0
        self._places: dict[str, int] = {}
        """Of each op: its devices sends them first in the order in which it was asked for them."""
        self._attempts: dict[str, int] = {}
        """The last one of each op."""
        self._open: dict[str, str] = {}
        """Conversations of ops that are neither acknowledged nor refused for good."""
        self._under_way: set[str] = set()

    def write(self) -> None:
        for frame in self._device.frames:
            self._at = self._recorder.time_of(frame.at)
            match frame:
                case Opened():
                    self._instance = self._instances[frame.url]
                case Sent(event={"type": "resume"} as op):
                    self._resuming = op["id"]
                    self._add(ResumeAsked, op["cursors"])
                case Sent(event=op) if op["type"] in OPS:
                    self._asked(op)
                case Received(event=event):
                    self._came(event)
                case Closed():
                    self._lost(frame.code)

    def _asked(self, op: Event) -> None:
        device, id, kind = self._device, op["id"], OPS[op["type"]]
        if kind is Kind.MESSAGE:
            conversation = between(device.person.email, op["to"]).id
        else:
            conversation = op["conversation"]
        self._attempts[id] = self._recorder.attempt()
        self._open[id] = conversation
        self._under_way.add(id)
        self._recorder.add(
            Invoked(
                self._attempts[id],
                device.name,
                device.person.email,
                self._instance,
                conversation,
                id,
                kind,
                op.get("text"),
                op.get("message"),
                self._places.setdefault(id, len(self._places) + 1),
                at=self._at,
            )
        )

    def _came(self, event: Event) -> None:
        match event["type"]:
            case "welcome":
                self._connection = self._recorder.connection()
                self._add(Connected, self._instance)
            case "message" | "edited" | "deleted":
                self._saw(event)
            case "ack" if event["id"] in self._attempts:
                id, conversation = event["id"], event["conversation"]
                self._answer(id, conversation, Outcome.ACKNOWLEDGED, event["seq"])
                self._open.pop(id, None)
            case "error":
                self._refused(event)
            case "resync":
                self._add(ResyncTold)
            case "resumed":
                self._resuming = None
                states = event["conversations"].items()
                self._add(ResumeEnded, {id: one["head"] for id, one in states if one["complete"]})
            case "marker":
                said = (event[name] for name in ("conversation", "employee", "received", "read"))
                self._add(SawMarker, *said)
            case "typing":
                self._add(SawTyping, event["conversation"])

    def _saw(self, event: Event) -> None:
        said = (event[name] for name in ("conversation", "seq", "id", "sender"))
        self._add(Saw, *said, KINDS[event["type"]], event.get("text"), event.get("message"))

    def _refused(self, error: Event) -> None:
        id = error.get("id")
        if id is not None and id == self._resuming:
            self._resuming = None
            self._add(ResumeEnded, {}, True)
        elif id in self._open and "retry_after_ms" in error:
            self._answer(id, self._open[id], Outcome.UNKNOWN, code=error["code"])
        elif id in self._open:
            self._answer(id, self._open.pop(id), Outcome.REFUSED, code=error["code"])

    def _lost(self, code: int) -> None:
        if self._connection is not None:
            self._add(Disconnected, code)
        self._connection = self._resuming = None
        for id in [id for id in self._open if id in self._under_way]:
            self._answer(id, self._open[id], Outcome.UNKNOWN, code=LOST_CONNECTION)

    def _answer(
        self,
        id: str,
        conversation: str,
        outcome: Outcome,
        seq: int | None = None,
        code: str = "",
    ) -> None:
        self._under_way.discard(id)
        name, attempt = self._device.name, self._attempts[id]
        self._recorder.add(
            Answered(attempt, name, id, conversation, outcome, seq, code, at=self._at)
        )

    def _add(self, record: Callable[..., Any], *fields: object) -> None:
        device = self._device
        who = device.name, device.person.email, self._connection
        self._recorder.add(record(*who, *fields, at=self._at))
