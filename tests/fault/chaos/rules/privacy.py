"""Nobody hears of a conversation that they do not take part in."""

from collections.abc import Iterator

from tests.fault.chaos.history import (
    AnyRecord,
    History,
    HistoryRead,
    Listed,
    LogRead,
    MarkersSeen,
    Opened,
    Saw,
    SawMarker,
    SawTyping,
    Trespassed,
)
from tests.fault.chaos.rules.violation import Violation


def exposed(history: History) -> Iterator[Violation]:
    """Something of a conversation came to somebody else; or an outsider asked and got something."""
    for record in history:
        match record:
            case Trespassed(revealed=revealed) if revealed:
                yield Violation(
                    "exposed",
                    f"{record.person} tried {record.what} and got {revealed}",
                    (record,),
                )
            case (
                Saw()
                | SawMarker()
                | SawTyping()
                | LogRead()
                | HistoryRead()
                | Listed()
                | MarkersSeen()
            ):
                participants = history.participants.get(record.conversation, ())
                if record.person not in participants:
                    opened: tuple[AnyRecord, ...] = ()
                    if participants:
                        opened = (Opened(record.conversation, participants, at=0.0),)
                    yield Violation(
                        "exposed",
                        f"{record.person} heard of {record.conversation}, which is"
                        f" {' and '.join(participants) or 'nobody'}'s",
                        (*opened, record),
                    )
            case _:
                pass
