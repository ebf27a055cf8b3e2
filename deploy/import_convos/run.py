"""The import from beginning to end: people, the plan, and then conversations, lot by lot.

Nothing is remembered between runs: what our database holds says what is left to do.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from msgspec import Struct
from pymongo.database import Database

from chat_service.log import between
from deploy.import_convos.departed import Departed
from deploy.import_convos.history import Histories, Limits, Written
from deploy.import_convos.people import People, import_people
from deploy.import_convos.plan import Plan, Planned
from deploy.import_convos.reference import Convo, Document, Reference
from deploy.import_convos.report import Outcome, Report, Subject
from deploy.import_convos.target import Present, Summary, Target

OTHERS = "people have written here: history cannot be put before or between that"
CHANGED = "what was imported earlier is no longer the beginning of the reference"
GONE = "a participant deleted their account here"


class Databases(Struct, frozen=True):
    reference: Database[Document]
    auth: Database[Document]
    chat: Database[Document]


def run(
    databases: Databases,
    limits: Limits,
    report: Report,
    progress: Callable[[int], Callable[[], None]],
    *,
    dry_run: bool,
) -> None:
    """Import everything that can be. Raises `PyMongoError`; another run then goes on.

    `progress` is told the number of messages, and gives what is called for each.
    """
    reference = Reference(databases.reference)
    departed = Departed(databases.auth)
    people = import_people(
        reference, databases.auth["employees"], departed, report, dry_run=dry_run
    )
    plan = Plan()
    try:
        for convo in reference.convos():
            _plan(plan, convo, people, report)
        histories = Histories(reference, people, limits, report, progress(plan.messages))
        target = Target(databases.chat, dry=dry_run)
        importer = _Importer(histories, target, departed, report)
        for lot in plan.lots():
            importer.take(lot)
    finally:
        plan.close()


def _plan(plan: Plan, convo: Convo, people: People, report: Report) -> None:
    named = convo.participants
    if convo.messages is None:
        reason = "messages is not an array"
    elif not isinstance(named, list) or len(named) != 2:
        reason = "not exactly two participants"
    else:
        one, other = (people.address(value) for value in named)
        if one is None or other is None:
            reason = "a participant is no employee"
        elif one == other:
            reason = "both participants are the same person"
        elif convo.messages == 0:
            report.count(Subject.CONVERSATIONS, Outcome.SKIPPED, 1, "without messages")
            return
        else:
            plan.add(between(one, other), convo.id, convo.messages)
            return
    report.say(
        Subject.CONVERSATIONS,
        Outcome.SKIPPED,
        convo.id,
        reason,
        messages=convo.messages,
        value=named,
    )


class _Importer:
    """Brings conversations to the state of the reference."""

    def __init__(
        self, histories: Histories, target: Target, departed: Departed, report: Report
    ) -> None:
        self._histories = histories
        self._target = target
        self._departed = departed
        self._report = report

    def take(self, lot: Sequence[Planned]) -> None:
        lot = self._without_departed(lot)
        present = self._target.present([planned.conversation.id for planned in lot])
        here = [planned for planned in lot if planned.conversation.id in present]
        new = [planned for planned in lot if planned.conversation.id not in present]
        begun = []
        for planned, history in self._histories.read(here):
            held = present.pop(planned.conversation.id)
            if self._compare(planned, history, held):
                begun.append((planned, len(held.ids)))
        imported: dict[str, tuple[Planned, Outcome, int]] = {}
        for planned, history in self._histories.read(new):
            number = self._append(planned, history, 0)
            imported[planned.conversation.id] = planned, Outcome.IMPORTED, number
        lengths = {planned.conversation.id: length for planned, length in begun}
        for planned, history in self._histories.read([planned for planned, _ in begun], again=True):
            number = self._append(planned, history, lengths[planned.conversation.id])
            imported[planned.conversation.id] = planned, Outcome.COMPLETED, number
        self._target.flush()
        self._settle(imported)

    def _without_departed(self, lot: Sequence[Planned]) -> list[Planned]:
        """What of `lot` may be touched: a conversation of somebody who is gone stays as it is.

        Asked for each lot, since people leave meanwhile. Where the chat service erases the texts of
        somebody who leaves after this, it waits `LAST_WORDS_SECONDS` first: what the lot brought by
        then goes, too.
        """
        gone = self._departed.among(
            {email for planned in lot for email in planned.conversation.participants}
        )
        kept = []
        for planned in lot:
            if gone.isdisjoint(planned.conversation.participants):
                kept.append(planned)
                continue
            self._histories.pass_over(planned)
            self._report.say(
                Subject.CONVERSATIONS,
                Outcome.SKIPPED,
                planned.sources[0],
                GONE,
                messages=planned.messages,
            )
        return kept

    def _compare(self, planned: Planned, history: Iterator[Written], held: Present) -> bool:
        """Whether what we hold is the beginning of `history`, and there is more of that."""
        length = len(held.ids)
        changed = False
        matched = 0
        first = last = None
        for entry in history:
            if matched == length or not held.holds(matched, entry):
                missing = 1 + sum(1 for _ in history)
                break
            changed = changed or not held.same(matched, entry)
            first, last = first or entry, entry
            matched += 1
        else:
            missing = 0
        id = planned.conversation.id
        self._report.count(Subject.MESSAGES, Outcome.HERE, matched)
        if missing and (matched < length or changed):
            mine = changed or self._target.imported(id, matched + 1)
            self._refuse(planned, CHANGED if mine else OTHERS, missing)
        elif not missing:
            self._report.count(Subject.CONVERSATIONS, Outcome.HERE)
            if first is not None and last is not None and matched == length:
                # The summary may have been lost with the run that wrote the entries.
                self._target.summarise(Summary(planned.conversation, first.at, matched, last))
        return bool(missing) and matched == length and not changed

    def _append(self, planned: Planned, history: Iterator[Written], length: int) -> int:
        """Write what follows the first `length` entries, and the summary; returns their number."""
        conversation = planned.conversation.id
        first = last = None
        seq = 0
        for entry in islice(history, length):
            first, last = first or entry, entry
            seq += 1
        for entry in history:
            first, last = first or entry, entry
            seq += 1
            self._target.append(conversation, seq, entry)
        if first is not None and last is not None:
            self._target.summarise(Summary(planned.conversation, first.at, seq, last))
        return seq - length

    def _settle(self, imported: dict[str, tuple[Planned, Outcome, int]]) -> None:
        """Count what was written, now that it is known to be."""
        for planned, outcome, number in imported.values():
            lost = self._target.conflicts.get(planned.conversation.id, 0)
            self._report.count(Subject.MESSAGES, Outcome.IMPORTED, number - lost)
            if lost:
                self._refuse(planned, OTHERS, lost)
            elif number:
                self._report.count(Subject.CONVERSATIONS, outcome)
            else:
                self._report.count(
                    Subject.CONVERSATIONS, Outcome.SKIPPED, 1, "no message can be imported"
                )

    def _refuse(self, planned: Planned, reason: str, missing: int) -> None:
        self._report.say(
            Subject.CONVERSATIONS,
            Outcome.REFUSED,
            planned.sources[0],
            reason,
            messages=missing,
            value=planned.conversation.participants,
        )
