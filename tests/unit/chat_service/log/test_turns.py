"""Turns: each sender's drafts in their order, and nobody waits behind somebody who has many."""

import time
from uuid import uuid4

from msgspec import structs

from chat_service.log.conversation import between
from chat_service.log.entries import Draft
from chat_service.log.turns import Turns

ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@example.org"


def draft(sender: str, text: str, to: str = EVE) -> Draft:
    conversation = between(sender, to if to != sender else ANN)
    return Draft.message(conversation, uuid4(), sender, text=text, settle=lambda *_: None)


def filled(*drafts: Draft) -> Turns:
    turns = Turns()
    for one in drafts:
        turns.add(one)
    return turns


def texts(drafts: list[Draft]) -> list[str | None]:
    return [one.text for one in drafts]


def test_senders_take_turns_and_each_keeps_an_order() -> None:
    turns = filled(*(draft(ANN, f"a{n}") for n in range(4)), draft(BOB, "b0"), draft(BOB, "b1"))
    assert len(turns) == 6
    assert turns.ahead_of(EVE) == 2
    assert turns.ahead_of(BOB) == 6
    assert texts(turns.draw(3)) == ["a0", "b0", "a1"]
    turns.add(draft(EVE, "e0"))
    assert texts(turns.draw(10)) == ["b1", "a2", "e0", "a3"]
    assert len(turns) == 0
    assert turns.draw(1) == []


def test_alone_a_sender_has_the_whole_batch() -> None:
    turns = filled(*(draft(ANN, f"{n}") for n in range(300)))
    assert texts(turns.draw(256)) == [f"{n}" for n in range(256)]


def test_what_is_put_back_comes_before_what_came_later() -> None:
    turns = filled(draft(ANN, "a0"), draft(BOB, "b0"), draft(ANN, "a1"))
    drawn = turns.draw(2)
    turns.add(draft(ANN, "a2"))
    turns.put_back(drawn)
    assert [text for text in texts(turns.draw(9)) if text and text[0] == "a"] == ["a0", "a1", "a2"]


def test_what_is_taken_out_leaves_the_rest_in_order() -> None:
    turns = filled(draft(ANN, "a0", BOB), draft(ANN, "a1", EVE), draft(ANN, "a2", BOB))
    with_bob = between(ANN, BOB).id
    assert texts(turns.take(lambda one: one.conversation.id == with_bob)) == ["a0", "a2"]
    assert texts(turns.draw(9)) == ["a1"]


def test_the_conversations_of_what_waited_too_long_are_known() -> None:
    old = structs.replace(draft(ANN, "old", BOB), came_at=time.monotonic() - 5)
    turns = filled(old, draft(ANN, "new", EVE))
    assert turns.overdue(1.0) == {between(ANN, BOB).id}
    assert turns.overdue(10.0) == set()
