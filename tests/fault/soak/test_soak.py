"""A soak of some seconds, and what the verdict of a long one would catch."""

from pathlib import Path
from xml.etree import ElementTree

from tests.bench.stage import Stage
from tests.fault.soak.measure import Sample, left_behind, memory
from tests.fault.soak.plot import svg
from tests.fault.soak.run import Soak
from tests.support.vitals import Vitals

MIB = 1 << 20


async def test_people_who_come_and_go_lose_nothing_and_leave_nothing(
    tmp_path: Path, mongo_url: str, amqp_url: str
) -> None:
    soak = Soak(connections=150, seconds=15, seed=1, say=lambda _: None)
    async with Stage(tmp_path, mongo_url, amqp_url) as stage:
        await soak.run(stage)
    result = soak.result
    assert result.failures == []
    assert result.tally.connects > 300
    assert result.tally.acked > 100
    assert result.tally.delivered > 100


def samples(resident: list[float]) -> list[Sample]:
    return [
        Sample(60.0 * number, 1, 1, 1, {"chat": Vitals(one * MIB, 20, 30)})
        for number, one in enumerate(resident)
    ]


def test_memory_that_grows_on_and_on_is_not_flat() -> None:
    leaking = memory(samples([100 + number for number in range(40)]), "chat")
    assert leaking is not None
    assert not leaking.is_flat


def test_memory_that_is_flat_after_the_warm_up_is_flat() -> None:
    steady = memory(
        samples([*range(50, 100, 5), *(100 + number % 4 for number in range(30))]), "chat"
    )
    assert steady is not None
    assert steady.is_flat


def test_a_single_task_that_is_left_is_noticed() -> None:
    before = Vitals(0, 20, 30)
    assert left_behind(before, Vitals(10**9, 20, 30)) == []
    assert left_behind(before, Vitals(0, 20, 31)) == ["1 tasks"]
    assert left_behind(before, Vitals(0, 80, 30)) == ["60 file descriptors"]


def test_the_plot_is_xml_of_a_bounded_size() -> None:
    picture = svg(samples([float(100 + number) for number in range(5000)]), "a <long> soak")
    ElementTree.fromstring(picture)
    assert len(picture) < 40_000
    ElementTree.fromstring(svg([], "nothing"))
