"""Frames that nobody should send: documented answers, and nothing left behind.

Promise: a slow or hostile client hurts only itself.
"""

import asyncio
import json
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from itertools import cycle

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, field

from tests.fault.fuzz.bystanders import Bystanders
from tests.fault.fuzz.conftest import EXAMPLES, several
from tests.fault.fuzz.material import json_values
from tests.fault.fuzz.ops import KINDS, Ground
from tests.fault.fuzz.plan import STATES, Plan, play
from tests.fault.fuzz.wire import ENDINGS
from tests.support.conditions import eventually
from tests.support.documents import Language
from tests.support.system import Person, System
from tests.support.vitals import Vitals, faults, vitals

FRAMES = 25_000
"""At least so many in `make test`; `make fuzz` sends forty times as many."""
CI_EXAMPLES = 27
HOSTILE = 4
"""People who misbehave; each has several sockets at a time."""
WARM_UP = 0.4
"""Of all frames: until then memory grows, for caches that are bounded and the allocator."""
MIB = 1 << 20
GROWTH_BYTES = (24 if EXAMPLES else 8) * MIB
"""From the warm-up to the end; a leak of 600 bytes a frame is above it."""
POOLED = 16
"""Connections to MongoDB and the auth service that a burst leaves open for the next."""

kinds = st.lists(st.sampled_from(KINDS), min_size=1, unique=True).map(tuple)
seeds = st.integers(0, 2**64 - 1)
chunks = st.sampled_from((None, None, 1400, 37))
talkative = st.builds(
    Plan,
    seed=seeds,
    state=st.sampled_from(("header", "op")),
    kinds=kinds,
    count=st.integers(200, 700),
    chunk=chunks,
    ending=st.sampled_from(ENDINGS),
    material=st.lists(json_values, max_size=6).map(tuple),
)
brief = st.builds(
    Plan,
    seed=seeds,
    state=st.sampled_from(STATES),
    kinds=kinds,
    count=st.integers(0, 2),
    chunk=st.sampled_from((None, None, 1)),
    ending=st.sampled_from(ENDINGS),
    material=st.lists(json_values, max_size=2).map(tuple),
)
crowds = st.tuples(
    st.lists(talkative, min_size=2, max_size=3), st.lists(brief, min_size=2, max_size=8)
)


class Tally(Struct):
    frames: int = 0
    sockets: int = 0
    events: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    closes: Counter[int | None] = field(default_factory=Counter)
    warm: Vitals | None = None


class Attack:
    """What lasts from one example to the next."""

    def __init__(self, system: System, runner: asyncio.Runner) -> None:
        self.chat = system.chats[0]
        self.runner = runner
        self.tally = Tally()
        self._samples: dict[tuple[str, str], bytes] = {}
        self._system = system
        people = [runner.run(system.person(f"eve{number}")) for number in range(HOSTILE)]
        ann, bob = runner.run(system.person("ann")), runner.run(system.person("bob"))
        ghost = "ghost@example.org"
        self.ground = Ground.of(
            [*(person.email for person in people), ghost], [person.token for person in people]
        )
        self.bystanders = Bystanders(system, ann, bob, self.ground.entries)
        self.ground.conversations.append(self.bystanders.conversation)
        self._people: Iterator[Person] = cycle(people)

    def launch(self, plans: list[Plan]) -> None:
        """All at once; raises what went wrong with any."""
        self.runner.run(self._launch(plans))

    async def _launch(self, plans: list[Plan]) -> None:
        playing = [self._play(plan, next(self._people)) for plan in plans]
        for outcome in await asyncio.gather(*playing, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def _play(self, plan: Plan, person: Person) -> None:
        frames, peer = await play(plan, self.chat.url, person, self.ground)
        tally = self.tally
        tally.frames += frames
        tally.sockets += 1
        tally.events += peer.events
        tally.errors += peer.errors
        tally.closes[peer.close_code] += 1
        self._samples |= {key: peer.samples[key] for key in peer.samples.keys() - self._samples}

    def judge(self) -> None:
        """One event of each type and error code against the document that the service serves."""
        with urllib.request.urlopen(f"{self.chat.url}/asyncapi.json") as reply:
            language = Language(json.load(reply))
        language.judge([], [json.loads(sample) for sample in self._samples.values()], None)


@pytest.fixture
def attack(target: System) -> Iterator[Attack]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        attack = Attack(target, runner)
        yield attack
        runner.run(attack.bystanders.close())


@pytest.mark.timeout(300 if not EXAMPLES else 0)
def test_hostile_frames_get_documented_answers_and_leave_nothing(
    target: System, attack: Attack
) -> None:
    chat, tally = target.chats[0], attack.tally
    attack.runner.run(attack.bystanders.begin())
    before = vitals(chat.url)

    @several(CI_EXAMPLES)
    @given(crowd=crowds)
    def storm(crowd: tuple[list[Plan], list[Plan]]) -> None:
        attack.launch([*crowd[0], *crowd[1]])
        if tally.warm is None and tally.frames > WARM_UP * FRAMES:
            tally.warm = vitals(chat.url)

    storm()
    attack.runner.run(attack.bystanders.end())
    assert faults(chat.log) == []
    attack.judge()
    if not EXAMPLES:
        assert tally.frames >= FRAMES
    assert tally.warm is not None
    eventually(lambda: vitals(chat.url).tasks <= before.tasks)
    eventually(lambda: vitals(chat.url).descriptors <= before.descriptors + POOLED)
    after = vitals(chat.url)
    tell(tally, before, after, len(attack.bystanders.acked))
    assert after.resident - tally.warm.resident < GROWTH_BYTES


def tell(tally: Tally, before: Vitals, after: Vitals, undisturbed: int) -> None:
    """Figures, for `pytest -s`."""
    warm = tally.warm or before
    figures = (
        f"{tally.frames:,} frames on {tally.sockets:,} sockets, {undisturbed:,} messages of others",
        f"resident {before.resident / MIB:.1f} MiB, {warm.resident / MIB:.1f} after the warm-up,"
        f" {after.resident / MIB:.1f} at the end",
        f"descriptors {before.descriptors:.0f} and {after.descriptors:.0f},"
        f" tasks {before.tasks:.0f} and {after.tasks:.0f}",
        f"events {dict(tally.events)}",
        f"errors {dict(tally.errors)}",
        f"closes {dict(tally.closes)}",
    )
    sys.stdout.write("\n" + "\n".join(figures) + "\n")
