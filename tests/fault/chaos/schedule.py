"""Which fault comes when: everything follows from the seed."""

from collections.abc import Callable, Iterator, Mapping
from random import Random

from msgspec import Struct

from tests.fault.chaos.clock import AVAILABLE, HOW_TO_GET
from tests.fault.chaos.disk import NOT_PERMITTED
from tests.fault.chaos.faults import clients, network, processes, servers
from tests.fault.chaos.faults.fault import Fault, Stage
from tests.fault.chaos.system import System

Make = Callable[[Stage], Fault]

SERVER_FAULTS: dict[str, Make] = {
    "kill chat": lambda stage: processes.Killed(processes.any_chat(stage)),
    "kill auth": lambda stage: processes.Killed(processes.any_auth(stage)),
    "kill mongod": lambda stage: processes.Killed(processes.any_member(stage)),
    "kill rabbitmq": lambda stage: processes.Killed(processes.the_broker(stage)),
    "pause chat": lambda stage: processes.Paused(processes.any_chat(stage)),
    "pause auth": lambda stage: processes.Paused(processes.any_auth(stage)),
    "pause mongod": lambda stage: processes.Paused(processes.any_member(stage)),
    "pause rabbitmq": lambda stage: processes.Paused(processes.the_broker(stage)),
    "restart chat": lambda stage: processes.Restarted(processes.any_chat(stage)),
    "restart auth": lambda stage: processes.Restarted(processes.any_auth(stage)),
    "restart mongod": lambda stage: processes.Restarted(processes.any_member(stage)),
    "restart rabbitmq": lambda stage: processes.Restarted(processes.the_broker(stage)),
    "pause secondaries": servers.SecondariesPaused,
    "step down": servers.StepDown,
    "broker closes connections": servers.ClosedByBroker,
    "full disk": servers.FullDisk,
    "wrong clock": servers.WrongClock,
}
"""One at a time."""

PATH_FAULTS: dict[str, Make] = {
    "partition chat | mongodb": lambda at: network.Partition(at, network.chat_and_mongodb(at)),
    "partition member | members": lambda at: network.Partition(at, network.between_members(at)),
    "partition member | all": lambda at: network.Partition(at, network.member_and_all(at)),
    "partition minority | rest": lambda at: network.Partition(at, network.minority(at)),
    "partition chat | rabbitmq": lambda at: network.Partition(at, network.chat_and_broker(at)),
    "partition all | rabbitmq": lambda at: network.Partition(at, network.all_and_broker(at)),
    "partition auth | servers": lambda at: network.Partition(at, network.auth_and_servers(at)),
    "partition chat | auth": lambda at: network.Partition(at, network.chats_and_auth(at)),
    "partition clients | chat": lambda at: network.Partition(at, network.clients_and_chat(at)),
    "dropped connections": lambda at: network.Dropped(at, network.anything(at)),
    "latency": lambda at: network.Latency(at, network.anything(at)),
    "slow link": lambda at: network.SlowLink(at, network.anything(at)),
    "clients stop reading": clients.Stalled,
    "clients vanish": clients.Vanished,
    "reconnect storm": clients.Storm,
    "control frames": clients.Flood,
    "duplicates": clients.Duplicates,
}
"""One at a time, beside those of the servers."""


class Planned(Struct, frozen=True):
    """A fault to come: after `wait` seconds, for `hold` seconds; `seed` decides its details."""

    kind: str
    make: Make
    wait: float
    hold: float
    seed: float


def planned(seed: str, faults: Mapping[str, Make], pace: float) -> Iterator[Planned]:
    """Every kind once, in any order; then again. `pace` shortens or stretches the times."""
    dice = Random(seed)
    while True:
        kinds = list(faults.items())
        dice.shuffle(kinds)
        for kind, make in kinds:
            wait, hold = dice.uniform(0.5, 3.0), dice.choice((1.0, 3.0, 6.0, 12.0))
            yield Planned(kind, make, wait * pace, hold * pace, dice.random())


def unavailable(system: System) -> dict[str, str]:
    """Kinds of faults that this machine cannot have, and why."""
    missing: dict[str, str] = {}
    if not AVAILABLE:
        missing["wrong clock"] = HOW_TO_GET
    if not system.disk.available:
        missing["full disk"] = NOT_PERMITTED
    return missing
