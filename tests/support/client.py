"""A WebSocket client for tests: sends ops, keeps every event, waits for what should come."""

import asyncio
from collections.abc import Callable
from typing import Any, Self
from uuid import uuid4

import aiohttp
from aiohttp import WSMsgType

Event = dict[str, Any]

PATIENCE_SECONDS = 30.0


class ChatClient:
    """One device. `events` are all events in the order of their coming, `close_code` the end."""

    def __init__(self, url: str, token: str | None, *, origin: str | None = None) -> None:
        self.events: list[Event] = []
        self.close_code: int | None = None
        self._url = f"{url}/ws"
        self._token = token
        self._origin = origin
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        await self.open()
        if self._token is not None:
            await self.send("auth", token=self._token)
            await self.wait("welcome")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self, headers: dict[str, str] | None = None) -> None:
        self._http = aiohttp.ClientSession()
        headers = dict(headers or {})
        if self._origin is not None:
            headers["Origin"] = self._origin
        try:
            self.ws = await self._http.ws_connect(self._url, headers=headers, max_msg_size=0)
        except BaseException:
            await self._http.close()
            raise
        self._reader = asyncio.create_task(self._read())

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self.ws.close()
        await self._http.close()

    def stop_reading(self) -> None:
        """Leave everything that comes to the kernel's buffers, until `go_on_reading`."""
        self._reader.cancel()

    def go_on_reading(self) -> None:
        self._reader = asyncio.create_task(self._read())

    async def send(self, op: str, **fields: Any) -> None:
        await self.ws.send_json({"type": op, **fields})

    async def say(self, to: str, text: str, id: str | None = None) -> str:
        """Queue a message; returns its id without waiting for the answer."""
        id = id or str(uuid4())
        await self.send("send", id=id, to=to, text=text)
        return id

    async def said(self, to: str, text: str, id: str | None = None) -> Event:
        """Send a message and wait for its ack (or error)."""
        seen = len(self.events)
        id = await self.say(to, text, id)
        return await self.wait_for(
            lambda event: event["type"] in ("ack", "error") and event.get("id") == id, seen
        )

    async def resume(self, cursors: dict[str, int]) -> Event:
        id = str(uuid4())
        await self.send("resume", cursors=cursors, id=id)
        return await self.wait_for(
            lambda event: event["type"] in ("resumed", "error") and event.get("id") == id
        )

    async def ping(self) -> None:
        """Returns when everything sent before was taken in and its events written were read."""
        id = str(uuid4())
        await self.send("ping", id=id)
        await self.wait_for(lambda event: event["type"] == "pong" and event.get("id") == id)

    async def wait(self, kind: str, **fields: Any) -> Event:
        """The first event of this type with these fields."""
        return await self.wait_for(
            lambda event: event["type"] == kind and fields.items() <= event.items()
        )

    async def wait_for(self, matches: Callable[[Event], bool], seen: int = 0) -> Event:
        """The first event that matches, the first `seen` of all left out."""
        found: list[Event] = []

        def present() -> bool:
            found[:] = [event for event in self.events[seen:] if matches(event)][:1]
            return bool(found) or self.close_code is not None

        await self.until(present)
        assert found, f"closed with {self.close_code}; {self.events[-3:]}"
        return found[0]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns when `condition` holds; it is looked at after each event."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._news:
                await self._news.wait_for(condition)
        except TimeoutError:
            raise AssertionError(
                f"it did not come: {len(self.events)} events, the last: {self.events[-3:]}"
            ) from None

    async def closed(self) -> int:
        """The close code, when the socket is closed."""
        await self.until(lambda: self.close_code is not None)
        assert self.close_code is not None
        return self.close_code

    def of(self, kind: str, **fields: Any) -> list[Event]:
        return [
            event
            for event in self.events
            if event["type"] == kind and fields.items() <= event.items()
        ]

    @property
    def messages(self) -> list[Event]:
        return self.of("message")

    async def _read(self) -> None:
        while True:
            message = await self.ws.receive()
            async with self._news:
                if message.type is WSMsgType.TEXT:
                    self.events.append(message.json())
                else:
                    self.close_code = self.ws.close_code or 1006
                self._news.notify_all()
                if self.close_code is not None:
                    return
