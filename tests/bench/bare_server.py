"""The ceiling: what aiohttp itself costs for the same frames and bodies.

No storage, no broker, no tokens, no checks: each handler decodes with msgspec, and encodes and
writes what the chat service would. The types are its own, so that a chat service that becomes
slower does not take its ceiling along.
"""

import gc
import os
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import uvloop
from aiohttp import WSMsgType, web
from msgspec import Struct

CONVERSATION = "AAAAAAAAAAAAAAAAAAAAAA"
HISTORY_TEXT = "a message of ordinary size, number {number:06d}, as people write"
"""The text of the messages that histories hold, here and in the chat service's database."""


class Send(Struct, tag_field="type", tag="send"):
    id: UUID
    to: str
    text: str


class Welcome(Struct, tag_field="type", tag="welcome"):
    employee: str


class Ack(Struct, tag_field="type", tag="ack"):
    id: UUID
    conversation: str
    seq: int
    timestamp: datetime


class Message(Struct, tag_field="type", tag="message"):
    conversation: str
    seq: int
    id: UUID
    sender: str
    participants: tuple[str, str]
    timestamp: datetime
    text: str


class NewMessage(Struct):
    sender: str
    text: str
    id: UUID


class SendRequest(Struct):
    participants: tuple[str, str]
    message: NewMessage


class Stored(Struct):
    seq: int
    id: UUID
    sender: str
    timestamp: datetime
    text: str


class SentMessage(Struct):
    conversation: str
    participants: tuple[str, str]
    message: Stored


class HistoryRequest(Struct):
    participants: tuple[str, str]
    limit: int


class Marker(Struct):
    employee: str
    received: int
    read: int


class History(Struct):
    conversation: str
    participants: tuple[str, str]
    messages: list[Stored]
    markers: list[Marker]
    has_more: bool
    head: int


ops = msgspec.json.Decoder(Send)
sends = msgspec.json.Decoder(SendRequest)
histories = msgspec.json.Decoder(HistoryRequest)
encode = msgspec.json.Encoder().encode

sockets: dict[str, web.WebSocketResponse] = {}


async def websocket(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(
        heartbeat=25.0, max_msg_size=65_536, compress=False, decode_text=False
    )
    await ws.prepare(request)
    employee = request.headers["X-Employee"]
    sockets[employee] = ws
    await ws.send_frame(encode(Welcome(employee)), WSMsgType.TEXT)
    seq = 0
    async for message in ws:
        op = ops.decode(message.data)
        seq += 1
        now = datetime.now(UTC)
        ack = Ack(op.id, CONVERSATION, seq, now)
        event = Message(CONVERSATION, seq, op.id, employee, (employee, op.to), now, op.text)
        await ws.send_frame(encode(ack), WSMsgType.TEXT)
        await sockets[op.to].send_frame(encode(event), WSMsgType.TEXT)
    return ws


async def send_message(request: web.Request) -> web.Response:
    body = sends.decode(await request.read())
    message = body.message
    stored = Stored(1, message.id, message.sender, datetime.now(UTC), message.text)
    sent = SentMessage(CONVERSATION, body.participants, stored)
    return web.Response(status=201, body=encode(sent), content_type="application/json")


async def read_history(request: web.Request) -> web.Response:
    body = histories.decode(await request.read())
    first, second = body.participants
    history = History(
        conversation=CONVERSATION,
        participants=body.participants,
        messages=_messages(body.limit, first),
        markers=[Marker(first, 10_000, 10_000), Marker(second, 0, 0)],
        has_more=True,
        head=10_000,
    )
    return web.Response(body=encode(history), content_type="application/json")


async def ready(_: web.Request) -> web.Response:
    return web.Response()


def _messages(limit: int, sender: str) -> list[Stored]:
    known = _pages.get((limit, sender))
    if known is None:
        now = datetime.now(UTC).replace(microsecond=123_000)
        known = _pages[limit, sender] = [
            Stored(seq, uuid4(), sender, now, HISTORY_TEXT.format(number=seq))
            for seq in range(10_001 - limit, 10_001)
        ]
    return known


_pages: dict[tuple[int, str], list[Stored]] = {}


def main() -> None:
    app = web.Application()
    app.add_routes(
        [
            web.get("/ws", websocket),
            web.put("/messages", send_message),
            web.post("/messages", read_history),
            web.get("/readyz", ready),
        ]
    )
    gc.freeze()
    web.run_app(
        app,
        host=os.environ["HOST"],
        port=int(os.environ["PORT"]),
        access_log=None,
        print=None,
        loop=uvloop.new_event_loop(),
    )


if __name__ == "__main__":
    main()
