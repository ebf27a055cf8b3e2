"""What a device sent and received becomes the history that the rules judge."""

from collections.abc import Iterator

import msgspec

from tests.fault.chaos.chronicle import chronicle
from tests.fault.chaos.forge import ANN, BOB, PHONE, TALK
from tests.fault.chaos.history import (
    LOST_CONNECTION,
    Answered,
    AnyRecord,
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
from tests.support.device import AnyFrame, Closed, Device, Event, Opened, Received, Sent
from tests.support.system import Person

INSTANCES = {"http://one": "chat-1", "http://two": "chat-2"}
ONCE: Event = {"type": "send", "id": "m1", "to": BOB, "text": "one"}
EDIT: Event = {
    "type": "edit",
    "id": "e1",
    "conversation": TALK.id,
    "message": "m1",
    "text": "1",
}
ACK: Event = {"type": "ack", "conversation": TALK.id, "seq": 1, "id": "m1"}
RESUME: Event = {"type": "resume", "id": "r1", "cursors": {TALK.id: 3}}
WELCOME: Event = {"type": "welcome"}


def told(*frames: AnyFrame | Event) -> list[AnyRecord]:
    """The history of these frames on a connection to chat-1; an event is one that came. Times are
    left out."""
    device = Device(Person(ANN, "", ""), "http://one", name=PHONE)
    device.frames += [Opened(0.0, "http://one"), Received(0.0, WELCOME)]
    device.frames += [Received(0.0, one) if isinstance(one, dict) else one for one in frames]
    recorder = Recorder()
    chronicle(device, INSTANCES, recorder)
    return [msgspec.structs.replace(record, at=0.0) for record in recorder.records]


def sent(*ops: Event) -> Iterator[Sent]:
    return (Sent(0.0, op) for op in ops)


def invoked(attempt: int, instance: str = "chat-1") -> Invoked:
    return Invoked(attempt, PHONE, ANN, instance, TALK.id, "m1", text="one", place=1, at=0.0)


def answered(attempt: int, outcome: Outcome, seq: int | None = None, code: str = "") -> Answered:
    return Answered(attempt, PHONE, "m1", TALK.id, outcome, seq, code, at=0.0)


def error(code: str, **more: object) -> Event:
    return {"type": "error", "code": code, **more}


CONNECTED = Connected(PHONE, ANN, 1, "chat-1", at=0.0)


def test_an_acknowledged_message_is_one_attempt() -> None:
    acknowledged = answered(1, Outcome.ACKNOWLEDGED, 1)
    assert told(*sent(ONCE), ACK) == [CONNECTED, invoked(1), acknowledged]


def test_what_was_sent_again_after_a_lost_connection_is_two_attempts() -> None:
    away = Closed(0.0, 1006), Opened(0.0, "http://two"), WELCOME
    assert told(*sent(ONCE), *away, *sent(ONCE), ACK) == [
        CONNECTED,
        invoked(1),
        Disconnected(PHONE, ANN, 1, 1006, at=0.0),
        answered(1, Outcome.UNKNOWN, code=LOST_CONNECTION),
        Connected(PHONE, ANN, 2, "chat-2", at=0.0),
        invoked(2, "chat-2"),
        answered(2, Outcome.ACKNOWLEDGED, 1),
    ]


def test_an_error_that_may_be_retried_leaves_it_unknown_and_another_refuses() -> None:
    later = error("unavailable", id="m1", retry_after_ms=100)
    never = error("invalid_input", id="m1")
    assert told(*sent(ONCE), later, *sent(ONCE), never, Closed(0.0, 1012))[1:] == [
        invoked(1),
        answered(1, Outcome.UNKNOWN, code="unavailable"),
        invoked(2),
        answered(2, Outcome.REFUSED, code="invalid_input"),
        Disconnected(PHONE, ANN, 1, 1012, at=0.0),
    ]


def test_places_are_in_the_order_in_which_ops_were_first_sent() -> None:
    records = told(*sent(ONCE, EDIT, ONCE))
    places = [(one.id, one.place, one.kind) for one in records if isinstance(one, Invoked)]
    edit = ("e1", 2, Kind.EDIT)
    assert places == [("m1", 1, Kind.MESSAGE), edit, ("m1", 1, Kind.MESSAGE)]


def test_a_resume_ends_with_the_complete_heads_or_fails() -> None:
    conversations = {TALK.id: {"head": 5, "complete": True}, "x": {"head": 9, "complete": False}}
    resumed = {"type": "resumed", "id": "r1", "conversations": conversations}
    refused = error("rate_limited", id="r1", retry_after_ms=100)
    asked = ResumeAsked(PHONE, ANN, 1, {TALK.id: 3}, at=0.0)
    assert told(*sent(RESUME), resumed)[1:] == [
        asked,
        ResumeEnded(PHONE, ANN, 1, {TALK.id: 5}, at=0.0),
    ]
    assert told(*sent(RESUME), refused)[1:] == [
        asked,
        ResumeEnded(PHONE, ANN, 1, {}, failed=True, at=0.0),
    ]


def test_what_came_is_what_was_seen() -> None:
    said = {"conversation": TALK.id, "seq": 2, "id": "d1", "sender": BOB, "message": "m0"}
    marker = {"conversation": TALK.id, "employee": BOB, "received": 4, "read": 3}
    events: list[Event] = [
        {"type": "deleted", **said},
        {"type": "marker", **marker},
        {"type": "typing", "conversation": TALK.id},
        {"type": "resync"},
        {"type": "pong"},
    ]
    assert told(*events)[1:] == [
        Saw(PHONE, ANN, 1, TALK.id, 2, "d1", BOB, Kind.DELETE, None, "m0", at=0.0),
        SawMarker(PHONE, ANN, 1, TALK.id, BOB, 4, 3, at=0.0),
        SawTyping(PHONE, ANN, 1, TALK.id, at=0.0),
        ResyncTold(PHONE, ANN, 1, at=0.0),
    ]


def test_a_connection_that_was_never_welcomed_is_none() -> None:
    frames = Closed(0.0, 1012), Opened(0.0, "http://two"), Closed(0.0, 1013)
    assert told(*frames) == [CONNECTED, Disconnected(PHONE, ANN, 1, 1012, at=0.0)]
