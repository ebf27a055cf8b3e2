"""Links are cut, silent, late or narrow."""

from collections.abc import Callable, Sequence

from tests.fault.chaos.faults.fault import Stage
from tests.fault.chaos.network import CLIENTS

Ends = tuple[str, str]
"""Who connects, and to which server."""


class _OnLinks:
    def __init__(self, stage: Stage, ends: Sequence[Ends]) -> None:
        self.target = ", ".join(f"{source} → {server}" for source, server in ends)
        self.instances = tuple({name for pair in ends for name in pair if name.startswith("chat")})
        self.links = [stage.system.network.link(*pair) for pair in ends]
        self.dice = stage.dice


class Partition(_OnLinks):
    """Connections are closed and refused, or nothing passes, or nothing passes one way."""

    async def begin(self) -> None:
        how = self.dice.choice(("cut", "silent", "silent there", "silent back"))
        self.target = f"{self.target} ({how})"
        for link in self.links:
            if how == "cut":
                link.cut()
            else:
                link.freeze(there=how != "silent back", back=how != "silent there")

    async def end(self) -> None:
        for link in self.links:
            link.mend()
            link.thaw()


class Latency(_OnLinks):
    """Everything takes longer, each way."""

    async def begin(self) -> None:
        delay = self.dice.choice((0.02, 0.1, 0.4))
        self.target = f"{self.target} ({delay * 1000:.0f} ms)"
        self.instances = ()
        for link in self.links:
            link.delay = delay

    async def end(self) -> None:
        for link in self.links:
            link.delay = 0.0


class SlowLink(_OnLinks):
    """Little passes in a second."""

    async def begin(self) -> None:
        rate = self.dice.choice((5_000.0, 20_000.0, 100_000.0))
        self.target = f"{self.target} ({rate / 1000:.0f} kB/s)"
        self.instances = ()
        for link in self.links:
            link.rate = rate

    async def end(self) -> None:
        for link in self.links:
            link.rate = None


class Dropped(_OnLinks):
    """Connections are lost, once; new ones work."""

    async def begin(self) -> None:
        self.instances = ()
        for link in self.links:
            link.drop()

    async def end(self) -> None:
        pass


def chat_and_mongodb(stage: Stage) -> list[Ends]:
    """One instance, and one member or all."""
    chat, servers = stage.dice.choice(_chats(stage)), _members(stage)
    if stage.dice.random() < 0.5:
        servers = [stage.dice.choice(servers)]
    return [(chat, server) for server in servers]


def between_members(stage: Stage) -> list[Ends]:
    """One member and the others; for the services all are there: whom will they believe?"""
    alone = _likely_primary(stage)
    others = [name for name in _members(stage) if name != alone]
    return [pair for other in others for pair in ((alone, other), (other, alone))]


def member_and_all(stage: Stage) -> list[Ends]:
    """One member and everybody else."""
    alone = _likely_primary(stage)
    everybody = [one.name for one in stage.system.processes]
    pairs = [(name, alone) for name in everybody if name != alone]
    return pairs + [(alone, name) for name in _members(stage) if name != alone]


def minority(stage: Stage) -> list[Ends]:
    """One member and one instance on one side, the rest on the other: the instance sees a primary
    that may not be one any more."""
    alone, chat = _likely_primary(stage), stage.dice.choice(_chats(stage))
    others = [name for name in _members(stage) if name != alone]
    inside = [pair for other in others for pair in ((alone, other), (other, alone))]
    elsewhere = [name for name in _chats(stage) if name != chat]
    return [
        *inside,
        *((chat, other) for other in others),
        *((name, alone) for name in elsewhere),
    ]


def chat_and_broker(stage: Stage) -> list[Ends]:
    return [(stage.dice.choice(_chats(stage)), "rabbitmq")]


def all_and_broker(stage: Stage) -> list[Ends]:
    return [(name, "rabbitmq") for name in (*_chats(stage), *_auths(stage))]


def auth_and_servers(stage: Stage) -> list[Ends]:
    auth = stage.dice.choice(_auths(stage))
    return [(auth, server) for server in (*_members(stage), "rabbitmq")]


def chats_and_auth(stage: Stage) -> list[Ends]:
    return [(chat, auth) for chat in _chats(stage) for auth in _auths(stage)]


def clients_and_chat(stage: Stage) -> list[Ends]:
    return [(CLIENTS, stage.dice.choice(_chats(stage)))]


def anything(stage: Stage) -> list[Ends]:
    """Any of the above, for what hurts less than a partition."""
    choose: Callable[[Stage], list[Ends]] = stage.dice.choice(
        (
            chat_and_mongodb,
            between_members,
            chat_and_broker,
            all_and_broker,
            chats_and_auth,
            clients_and_chat,
        )
    )
    return choose(stage)


def _likely_primary(stage: Stage) -> str:
    primary = stage.system.replica_set.primary()
    chosen: str = stage.dice.choice(_members(stage))
    return primary.name if stage.dice.random() < 0.7 and primary is not None else chosen


def _chats(stage: Stage) -> list[str]:
    return [one.name for one in stage.system.chats]


def _auths(stage: Stage) -> list[str]:
    return [one.name for one in stage.system.auths]


def _members(stage: Stage) -> list[str]:
    return [one.name for one in stage.system.members]
