"""What was refused for now holds up what its socket sends behind it, and nothing else."""

import time

import pytest

from chat_service.websocket import refusals
from chat_service.websocket.refusals import Refusals
from shared.errors import IdConflict, RateLimited, ServiceError


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def listening() -> Refusals:
    """Of a socket that waits for its client."""
    mine = Refusals()
    mine.listening()
    return mine


def refused(refusals: Refusals, conversation: str, id: object) -> bool:
    try:
        refusals.check(conversation, id)
    except ServiceError:
        return True
    return False


def note(mine: Refusals, conversation: str, id: object, error: ServiceError) -> None:
    mine.note(conversation, id, error, time.monotonic())


def slow(seconds: float = 1.0) -> RateLimited:
    return RateLimited("Slower.", retry_after=seconds)


def test_what_is_behind_a_refused_op_is_refused_alike_until_that_comes_again() -> None:
    mine = Refusals()
    assert not refused(mine, "c", 1)
    error = slow()
    note(mine, "c", 1, error)
    with pytest.raises(RateLimited) as caught:
        mine.check("c", 2)
    assert caught.value is error
    assert not refused(mine, "d", 3)
    assert not refused(mine, "c", 1)
    assert not refused(mine, "c", 2)


def test_what_came_first_has_to_come_again_first_though_it_was_refused_last() -> None:
    mine = Refusals()
    mine.note("c", "second", slow(), 2.0)
    mine.note("c", "first", slow(), 1.0)
    assert refused(mine, "c", "second")
    assert not refused(mine, "c", "first")
    assert not refused(mine, "c", "second")


def test_who_pauses_for_twice_the_time_is_let_through(clock: Clock) -> None:
    mine = listening()
    note(mine, "c", 1, slow())
    clock.now += 1.9
    assert refused(mine, "c", 2)
    clock.now += 1.9  # which began anew
    assert refused(mine, "c", 3)
    clock.now += 2.1
    assert not refused(mine, "c", 4)


def test_who_gave_up_and_writes_on_without_a_pause_is_let_through_in_the_end(clock: Clock) -> None:
    mine = listening()
    note(mine, "c", 1, slow())
    began = clock.now
    while refused(mine, "c", 2):
        clock.now += 0.5
        note(mine, "c", 2, slow())
    assert clock.now - began <= refusals.LONGEST_SECONDS + 1


def test_an_op_that_holds_up_the_socket_is_no_pause_of_the_client(clock: Clock) -> None:
    mine = listening()
    mine.heard()
    note(mine, "c", 1, slow())
    clock.now += refusals.LONGEST_SECONDS / 2
    mine.listening()
    mine.heard()
    assert refused(mine, "c", 2)
    mine.listening()
    clock.now += 2.1
    assert not refused(mine, "c", 3)


def test_what_is_refused_for_good_holds_up_nothing() -> None:
    mine = Refusals()
    note(mine, "c", 1, IdConflict("This id names another entry."))
    assert not refused(mine, "c", 2)


def test_a_bounded_number_is_remembered_and_none_of_what_was_sent() -> None:
    """The socket never listens: its client has always sent more already."""
    mine = Refusals()
    for number in range(2 * refusals.REMEMBERED):
        with pytest.raises(RateLimited) as caught:
            raise slow()
        note(mine, f"c{number}", 1, caught.value)
        assert caught.value.__traceback__ is None
    assert len(mine._refused) == refusals.REMEMBERED
    assert not refused(mine, "c0", 2)
    assert refused(mine, f"c{2 * refusals.REMEMBERED - 1}", 2)


def test_who_is_never_listened_to_is_let_through_in_the_end(clock: Clock) -> None:
    """Above its rate, a socket waits for the rate and not for its client."""
    mine = Refusals()
    note(mine, "c", 1, slow())
    clock.now += refusals.LONGEST_SECONDS - 1
    assert refused(mine, "c", 2)
    note(mine, "c", 2, slow())
    clock.now += 1
    assert not refused(mine, "c", 3)
