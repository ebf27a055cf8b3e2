"""The rules: each a pure function from a history to its violations."""

from collections.abc import Callable, Iterator

from tests.fault.chaos.history import History
from tests.fault.chaos.rules.durability import invented, lost
from tests.fault.chaos.rules.lateness import late
from tests.fault.chaos.rules.markers import markers, unread
from tests.fault.chaos.rules.order import disordered, reordered
from tests.fault.chaos.rules.presence import doubled, gap, repositioned
from tests.fault.chaos.rules.privacy import exposed
from tests.fault.chaos.rules.sameness import changes, differs
from tests.fault.chaos.rules.violation import Violation

Rule = Callable[[History], Iterator[Violation]]

RULES: dict[str, Rule] = {
    "lost": lost,
    "invented": invented,
    "doubled": doubled,
    "repositioned": repositioned,
    "gap": gap,
    "late": late,
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
