"""Somebody who uses the REST API: sends, repeats over several instances, changes, marks, reads."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any, Self
from uuid import uuid4

import aiohttp

from chat_service.log.conversation import between
from tests.fault.chaos.history import (
    Answered,
    HistoryRead,
    Invoked,
    Kind,
    Listed,
    MarkersSeen,
    Message,
    Outcome,
    Position,
    Recorder,
    Trespassed,
)
from tests.fault.chaos.system import Entrance
from tests.support.system import Person

PATIENCE_SECONDS = 8.0
TRIES = 6
PAUSE_SECONDS = 0.7
PAGE = 200

Answer = tuple[int, dict[str, Any]]


class Visitor:
    """One employee's errands, on whatever instance the dice say."""

    def __init__(
        self,
        name: str,
        person: Person,
        entrances: Sequence[Entrance],
        recorder: Recorder,
        dice: Random,
    ) -> None:
        self.name = name
        self.person = person
        self._entrances = entrances
        self._recorder = recorder
        self._dice = dice

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        connector = aiohttp.TCPConnector(force_close=True)
        self._http = aiohttp.ClientSession(timeout=timeout, connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def say(self, to: Person, text: str) -> str | None:
        """Send until it is answered, here or there; its id where it was acknowledged."""
        id = str(uuid4())
        conversation = between(self.person.email, to.email).id
        return await self._insist(Kind.MESSAGE, conversation, id, to.email, text, None)

    async def say_everywhere(self, to: Person, text: str) -> None:
        """Send one message to all instances at once, and then again."""
        id = str(uuid4())
        conversation = between(self.person.email, to.email).id
        for _ in range(2):
            await asyncio.gather(
                *(
                    self._try(Kind.MESSAGE, conversation, id, to.email, text, None, entrance)
                    for entrance in self._entrances
                )
            )

    async def repeat(self, to: Person, id: str, text: str) -> None:
        """Send a message that was acknowledged once more."""
        conversation = between(self.person.email, to.email).id
        entrance = self._dice.choice(self._entrances)
        await self._try(Kind.MESSAGE, conversation, id, to.email, text, None, entrance)

    async def edit(self, conversation: str, message: str, text: str) -> None:
        await self._insist(Kind.EDIT, conversation, str(uuid4()), "", text, message)

    async def delete(self, conversation: str, message: str) -> None:
        await self._insist(Kind.DELETE, conversation, str(uuid4()), "", None, message)

    async def mark(self, conversation: str, seq: int) -> None:
        """Mark as read up to a position that exists."""
        asked_at = self._recorder.now()
        entrance = self._dice.choice(self._entrances)
        path = f"/conversations/{conversation}/markers"
        answer = await self._ask("PUT", entrance, path, {"read": seq})
        if answer is not None and answer[0] == 200:
            self._add_markers(asked_at, entrance, conversation, [answer[1]], Position(seq, seq))

    async def look(self, other: Person) -> None:
        """Read the newest page, for the markers in it."""
        asked_at = self._recorder.now()
        entrance = self._dice.choice(self._entrances)
        body = {"participants": [self.person.email, other.email], "limit": 20}
        answer = await self._ask("POST", entrance, "/messages", body)
        if answer is not None and answer[0] == 200:
            page = answer[1]
            self._add_markers(asked_at, entrance, page["conversation"], page["markers"])

    async def read_history(self, other: Person, entrance: Entrance) -> None:
        """All of it, when everything is over. Raises AssertionError where it cannot be read."""
        conversation = between(self.person.email, other.email).id
        messages: list[Message] = []
        asked_at = self._recorder.now()
        more = True
        while more:
            body = {
                "participants": [self.person.email, other.email],
                "after": messages[-1].seq if messages else 0,
                "limit": PAGE,
            }
            page = await self._must("POST", entrance, "/messages", body)
            messages += [_message(one) for one in page["messages"]]
            more = page["has_more"]
            if not more:
                self._add_markers(asked_at, entrance, conversation, page["markers"])
        self._recorder.add(
            HistoryRead(
                self.person.email,
                entrance.name,
                conversation,
                tuple(messages),
                at=self._recorder.now(),
            )
        )

    async def read_list(self, entrance: Entrance) -> None:
        """All conversations, when everything is over. Raises AssertionError."""
        before: str | None = None
        while True:
            path = "/conversations?limit=100" + (f"&before={before}" if before else "")
            page = await self._must("GET", entrance, path, None)
            for row in page["conversations"]:
                mine = next(one for one in row["markers"] if one["employee"] == self.person.email)
                last = row["last_message"]
                self._recorder.add(
                    Listed(
                        self.person.email,
                        entrance.name,
                        row["conversation"],
                        row["head"],
                        row["unread"],
                        mine["read"],
                        None if last is None else _message(last),
                        at=self._recorder.now(),
                    )
                )
            before = page["next"]
            if before is None:
                return

    async def trespass(self, one: Person, other: Person, message: str | None) -> None:
        """Try to read, to mark and to change what is other people's."""
        conversation = between(one.email, other.email).id
        entrance = self._dice.choice(self._entrances)
        tries: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", "/messages", {"participants": [one.email, other.email]}),
            ("PUT", f"/conversations/{conversation}/markers", {"read": 1}),
        ]
        if message is not None:
            path = f"/conversations/{conversation}/messages/{message}"
            tries.append(("PATCH", path, {"text": "mine now"}))
        for method, path, body in tries:
            answer = await self._ask(method, entrance, path, body)
            if answer is not None:
                status, reply = answer
                self._recorder.add(
                    Trespassed(
                        self.person.email,
                        entrance.name,
                        conversation,
                        f"{method} {path}",
                        "" if status >= 400 else f"{status}: {str(reply)[:200]}",
                        at=self._recorder.now(),
                    )
                )

    async def _insist(
        self,
        kind: Kind,
        conversation: str,
        id: str,
        to: str,
        text: str | None,
        message: str | None,
    ) -> str | None:
        for _ in range(TRIES):
            entrance = self._dice.choice(self._entrances)
            outcome = await self._try(kind, conversation, id, to, text, message, entrance)
            if outcome is Outcome.ACKNOWLEDGED:
                return id
            if outcome is Outcome.REFUSED:
                return None
            await asyncio.sleep(PAUSE_SECONDS)
        return None

    async def _try(
        self,
        kind: Kind,
        conversation: str,
        id: str,
        to: str,
        text: str | None,
        message: str | None,
        entrance: Entrance,
    ) -> Outcome:
        attempt = self._recorder.attempt()
        self._recorder.add(
            Invoked(
                attempt,
                self.name,
                self.person.email,
                entrance.name,
                conversation,
                id,
                kind,
                text,
                message,
                at=self._recorder.now(),
            )
        )
        path = f"/conversations/{conversation}/messages/{message}"
        if kind is Kind.MESSAGE:
            said = {"sender": self.person.email, "text": text, "id": id}
            body = {"participants": [self.person.email, to], "message": said}
            answer = await self._ask("PUT", entrance, "/messages", body)
        elif kind is Kind.EDIT:
            answer = await self._ask("PATCH", entrance, path, {"text": text, "id": id})
        else:
            answer = await self._ask("DELETE", entrance, f"{path}?id={id}", None)
        outcome, seq, code = _outcome(answer)
        self._recorder.add(
            Answered(
                attempt, self.name, id, conversation, outcome, seq, code, at=self._recorder.now()
            )
        )
        return outcome

    async def _ask(
        self, method: str, entrance: Entrance, path: str, body: dict[str, Any] | None
    ) -> Answer | None:
        """The status and the body; None where there was no whole answer in time."""
        try:
            async with self._http.request(
                method, f"{entrance.url}{path}", json=body, headers=self.person.headers
            ) as reply:
                return reply.status, await reply.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return None

    async def _must(
        self, method: str, entrance: Entrance, path: str, body: dict[str, Any] | None
    ) -> dict[str, Any]:
        answer: Answer | None = None
        for _ in range(5 * TRIES):
            answer = await self._ask(method, entrance, path, body)
            if answer is not None and answer[0] == 200:
                return answer[1]
            await asyncio.sleep(PAUSE_SECONDS)
        raise AssertionError(f"{method} {path} at {entrance.name}, all being well: {answer}")

    def _add_markers(
        self,
        asked_at: float,
        entrance: Entrance,
        conversation: str,
        markers: list[dict[str, Any]],
        marked: Position | None = None,
    ) -> None:
        self._recorder.add(
            MarkersSeen(
                asked_at,
                self.person.email,
                entrance.name,
                conversation,
                {one["employee"]: Position(one["received"], one["read"]) for one in markers},
                marked,
                at=self._recorder.now(),
            )
        )


def _outcome(answer: Answer | None) -> tuple[Outcome, int | None, str]:
    if answer is None:
        return Outcome.UNKNOWN, None, "no answer"
    status, body = answer
    if status < 300:
        message = body[
            "message"
        ]  # the message that was sent, or the id of the one that was changed
        seq = message["seq"] if isinstance(message, dict) else body["seq"]
        return Outcome.ACKNOWLEDGED, seq, ""
    code = str(body.get("code", status))
    may_be_stored = status >= 500 or status == 429
    return (Outcome.UNKNOWN if may_be_stored else Outcome.REFUSED), None, code


def _message(view: dict[str, Any]) -> Message:
    return Message(view["seq"], view["id"], view["sender"], view.get("text"))
