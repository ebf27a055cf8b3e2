"""When everything is over: what is there, read in every way that a client can read it."""

import asyncio
from contextlib import suppress

import aiohttp

from chat_service.log.conversation import between
from tests.fault.chaos.chronicle import KINDS
from tests.fault.chaos.history import LogEntry, LogRead, Recorder, Settled
from tests.fault.chaos.system import Entrance, System
from tests.fault.chaos.visitor import Visitor
from tests.fault.chaos.workload import Workload
from tests.support.conditions import until

SETTLE_SECONDS = 90.0
"""How long devices may take to have everything, once everything is well."""
READ_SECONDS = 60.0


async def settle(workload: Workload, recorder: Recorder) -> None:
    """Wait until every device has what all others have; what it lacks then, it lacks."""

    async def everybody_has_everything() -> bool:
        return not lagging(workload)

    with suppress(TimeoutError):
        await until(everybody_has_everything, SETTLE_SECONDS)
    for device in workload.all_devices:
        email, cursors = device.person.email, dict(device.positions.cursors)
        recorder.add(Settled(device.name, email, cursors, at=recorder.now()))


def lagging(workload: Workload) -> list[str]:
    """Devices that are not done, or lack something that another one of the conversation has."""
    heads: dict[str, int] = {}
    for device in workload.all_devices:
        for conversation, cursor in device.positions.cursors.items():
            heads[conversation] = max(heads.get(conversation, 0), cursor)
    mine = {
        person.email: [
            between(one.email, other.email).id
            for one, other in workload.pairs()
            if person in (one, other)
        ]
        for person in (*workload.people, *workload.outsiders)
    }
    return [
        device.name
        for device in workload.all_devices
        if not device.calm
        or any(
            device.positions.cursors.get(conversation, 0) < heads.get(conversation, 0)
            for conversation in mine[device.person.email]
        )
    ]


async def audit(system: System, workload: Workload, recorder: Recorder) -> None:
    """Read every conversation's log twice, and its history, by both, at every instance."""
    entrances = system.entrances
    by_person = {visitor.person.email: visitor for visitor in workload.visitors}
    for number, (one, other) in enumerate(workload.pairs()):
        for place, person in enumerate((one, other)):
            visitor = by_person[person.email]
            entrance = entrances[(number + place) % len(entrances)]
            await _read_log(visitor, between(one.email, other.email).id, entrance, recorder)
        for place, entrance in enumerate(entrances):
            reader, partner = ((one, other), (other, one))[(number + place) % 2]
            await by_person[reader.email].read_history(partner, entrance)
    for number, visitor in enumerate(workload.visitors):
        await visitor.read_list(entrances[number % len(entrances)])
        await visitor.read_list(entrances[(number + 1) % len(entrances)])


async def _read_log(
    visitor: Visitor, conversation: str, entrance: Entrance, recorder: Recorder
) -> None:
    """Resume from 0 until it is complete; a conversation without entries is no log."""
    entries: list[LogEntry] = []
    async with (
        asyncio.timeout(READ_SECONDS),
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{entrance.url}/ws", headers=visitor.person.headers, max_msg_size=0) as ws,
    ):
        complete = False
        while not complete:
            cursor = entries[-1].seq if entries else 0
            await ws.send_json({"type": "resume", "cursors": {conversation: cursor}, "id": "audit"})
            while (event := await ws.receive_json())["type"] != "resumed":
                if event["type"] == "error":
                    if event["code"] == "not_participant" and not entries:
                        return  # it was never opened
                    raise AssertionError(f"the log of {conversation} cannot be read: {event}")
                if event["type"] in KINDS and event["conversation"] == conversation:
                    entries.append(
                        LogEntry(
                            event["seq"],
                            event["id"],
                            event["sender"],
                            KINDS[event["type"]],
                            event.get("text"),
                            event.get("message"),
                        )
                    )
            state = event["conversations"].get(conversation)
            complete = state is None or state["complete"]
    recorder.add(
        LogRead(
            visitor.person.email, entrance.name, conversation, tuple(entries), at=recorder.now()
        )
    )
