"""Two instances that write to one conversation take turns; none waits for one that is gone."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from chat_service.log.alternation import Alternation
from chat_service.log.conversation import between
from chat_service.log.entries import Draft

ANN, BOB = "ann@example.org", "bob@example.org"
PAIR = between(ANN, BOB)


class Stage:
    def __init__(self, patience: float = 60.0) -> None:
        self.released: list[Draft] = []
        self.alternation = Alternation(self._release, lambda: patience)

    def _release(self, drafts: Sequence[Draft]) -> None:
        self.released += drafts


def draft() -> Draft:
    return Draft.message(PAIR, uuid4(), ANN, text="hi", settle=lambda *_: None)


async def test_without_a_lost_race_nobody_waits() -> None:
    stage = Stage()
    stage.alternation.committed(PAIR.id)
    assert not stage.alternation.parks(draft())


async def test_after_ours_it_is_their_turn_until_they_have_committed() -> None:
    stage = Stage()
    stage.alternation.collided(PAIR.id)
    assert not stage.alternation.parks(draft())
    stage.alternation.committed(PAIR.id)
    waiting = [draft(), draft()]
    assert all(map(stage.alternation.parks, waiting))
    assert len(stage.alternation) == 2
    assert stage.released == []
    stage.alternation.observed(PAIR.id)
    assert stage.released == waiting
    assert not stage.alternation.parks(draft())
    stage.alternation.committed(PAIR.id)
    assert stage.alternation.parks(draft())


async def test_who_does_not_answer_is_not_waited_for_again() -> None:
    stage = Stage(patience=0.0)
    stage.alternation.collided(PAIR.id)
    stage.alternation.committed(PAIR.id)
    waiting = draft()
    assert stage.alternation.parks(waiting)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert stage.released == [waiting]
    stage.alternation.committed(PAIR.id)
    assert not stage.alternation.parks(draft())


async def test_what_is_parked_can_be_taken_out() -> None:
    stage = Stage()
    stage.alternation.collided(PAIR.id)
    stage.alternation.committed(PAIR.id)
    waiting = draft()
    stage.alternation.parks(waiting)
    assert stage.alternation.take(["another"]) == []
    assert stage.alternation.take_all() == [waiting]
    stage.alternation.observed(PAIR.id)
    assert stage.released == []
