"""Which heads an instance remembers."""

import pytest

from chat_service.log import heads as remembering
from chat_service.log.entries import Head
from chat_service.log.heads import Heads


@pytest.fixture
def heads(monkeypatch: pytest.MonkeyPatch) -> Heads:
    """Heads of two conversations at the most, `busy` remembered before `quiet`."""
    monkeypatch.setattr(remembering, "REMEMBERED_HEADS", 2)
    heads = Heads()
    heads.put("busy", Head(1, 0))
    heads.put("quiet", Head(1, 0))
    return heads


def test_the_head_of_the_busiest_old_conversation_stays(heads: Heads) -> None:
    heads.put("busy", Head(2, 0))
    heads.put("new", Head(1, 0))
    assert heads.get("busy") == Head(2, 0)
    assert heads.get("quiet") is None


def test_a_head_that_is_read_counts_as_used(heads: Heads) -> None:
    heads.get("busy")
    heads.put("new", Head(1, 0))
    assert heads.get("busy") == Head(1, 0)
    assert heads.get("quiet") is None


def test_what_others_commit_moves_remembered_heads_forward_only(heads: Heads) -> None:
    heads.observe("busy", 3, 7)
    heads.observe("busy", 2, 6)
    assert heads.get("busy") == Head(3, 7)


def test_what_others_commit_elsewhere_is_not_remembered_and_displaces_nothing(
    heads: Heads,
) -> None:
    heads.observe("foreign", 3, 7)
    assert heads.get("foreign") is None
    assert heads.get("busy") == heads.get("quiet") == Head(1, 0)
