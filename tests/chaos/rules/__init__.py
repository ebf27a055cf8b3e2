"""The rules: each a pure function from a history to its violations."""

from collections.abc import Callable, Iterator

from tests.chaos.history import History
from tests.chaos.rules.durability import invented, lost
from tests.chaos.rules.markers import markers, unread
from tests.chaos.rules.order import disordered, reordered
from tests.chaos.rules.presence import doubled, gap, repositioned
from tests.chaos.rules.privacy import exposed
from tests.chaos.rules.sameness import changes, differs
from tests.chaos.rules.violation import Violation

Rule = Callable[[History], Iterator[Violation]]

RULES: dict[str, Rule] = {
    "lost": lost,
    "invented": invented,
    "doubled": doubled,
    "repositioned": repositioned,
    "gap": gap,
    "disordered": disordered,
    "reordered": reordered,
    "differs": differs,
    "changes": changes,
    "markers": markers,
    "unread": unread,
    "exposed": exposed,
}


def check(history: History) -> list[Violation]:
    """All violations, by rule."""
    return [violation for rule in RULES.values() for violation in rule(history)]
