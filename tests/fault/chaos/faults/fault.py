"""What every fault is, and what it has to work with."""

from random import Random
from typing import Protocol

from msgspec import Struct

from tests.fault.chaos.system import System
from tests.fault.chaos.workload import Workload


class Stage(Struct, frozen=True):
    """What a fault may hurt; `dice` are its own, so that its choices follow from the seed."""

    system: System
    workload: Workload
    dice: Random


class Fault(Protocol):
    """Something that goes wrong for a while.

    `target` says whom it hurts, and is known once it has begun. `instances` are the chat instances
    that cannot be expected to work before its end. `end` undoes it, also where `begin` failed, and
    returns when that is done; not when everybody has recovered.
    """

    target: str
    instances: tuple[str, ...]

    async def begin(self) -> None: ...
    async def end(self) -> None: ...
