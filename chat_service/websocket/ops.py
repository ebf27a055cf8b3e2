"""One authenticated socket's ops, in their order: decode, call inward, answer errors.

A send is only queued here, and its answer comes from the commit, so one sender's messages keep
their order and a socket's next op does not wait for the database.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import assert_never, cast
from uuid import UUID

from aiohttp import WSMsgType
from msgspec import UNSET, Struct

from chat_service import protocol
from chat_service.delivery import Bounds, Connection, Delivery, Hub
from chat_service.fanout import FanOut
from chat_service.inbox import Marking
from chat_service.log import Conversation, Draft, Entry, MessageLog
from chat_service.messaging import Messaging
from chat_service.protocol import Ack, CloseCode, Error, Limits, Pong, Resumed, Welcome
from chat_service.settings import ChatSettings
from chat_service.websocket.counts import SocketCounts
from chat_service.websocket.resume import Resumption
from chat_service.websocket.socket import WebSocket
from shared.decoding import decode
from shared.errors import Forbidden, InternalError, RateLimited, ServiceError
from shared.http.problems import retry_after_ms
from shared.observability.logs import get_logger
from shared.rates import RateLimiter
from shared.times import in_utc
from shared.tokens import TokenVerifier

log = get_logger("session")

EXPIRY_WARNING_SECONDS = 60
TYPING_SECONDS = 1.0
"""A sender's typing is passed on at most this often."""
PAUSE_SECONDS = 1.0
"""Nothing more is taken from a socket for so long at most, when an op was refused for its rate."""
TURN = 64
"""Ops of a socket in one turn of the event loop, at most: then it is another's turn."""
CATCH_UP_SECONDS = 60.0
"""A peer that takes longer to read what it missed is cut off."""


class Services(Struct, frozen=True):
    """What sessions call inward."""

    settings: ChatSettings
    bounds: Bounds
    limits: Limits
    verifier: TokenVerifier
    hub: Hub
    fanout: FanOut
    log: MessageLog
    delivery: Delivery
    messaging: Messaging
    resumption: Resumption
    marking: Marking
    rates: RateLimiter | None
    draining: asyncio.Event
    counts: SocketCounts


def error_event(error: ServiceError, id: UUID | str | None) -> Error:
    """A service error as the protocol tells of it."""
    wait = error.retry_after
    return Error(
        code=error.code,
        detail=error.detail,
        id=id,
        retry_after_ms=UNSET if wait is None else retry_after_ms(wait),
    )


class SocketOps:
    """From welcome to close."""

    __slots__ = (
        "_closing",
        "_connection",
        "_employee",
        "_expiry",
        "_services",
        "_typing_to",
        "_ws",
    )

    def __init__(self, ws: WebSocket, connection: Connection, services: Services) -> None:
        self._ws = ws
        self._connection = connection
        self._services = services
        self._employee = connection.employee
        self._typing_to: dict[Conversation, float] = {}
        self._expiry: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[bool] | None = None
        connection.revoke = self._revoke

    async def run(self) -> None:
        """Returns when the socket is closed, by whomever. The connection is in the hub already."""
        fanout = self._services.fanout
        attached = asyncio.ensure_future(fanout.attach(self._employee))
        try:
            await attached
            if self._services.verifier.is_revoked(self._connection.claims):
                self._revoke()
                return
            self._welcome()
            await self._read()
        finally:
            for conversation in list(self._typing_to):
                self._stop_typing(conversation)
            fanout.detach(self._employee)
            if self._expiry is not None:
                self._expiry.cancel()
            if self._closing is not None:
                await self._closing

    def _welcome(self) -> None:
        claims = self._connection.claims
        self._connection.send(
            Welcome(
                connection=self._connection.id,
                employee=self._employee,
                server_time=datetime.now(UTC),
                token_expires_at=datetime.fromtimestamp(claims.exp, UTC),
                limits=self._services.limits,
            )
        )
        self._connection.release({})
        self._watch_expiry()

    async def _read(self) -> None:
        ws = self._ws
        taken = 0
        while self._connection.cut_off is None:
            # What has come already is received without a pause, and there may be very much of it.
            taken += 1
            if taken % TURN == 0:
                await asyncio.sleep(0)
            message = await ws.receive()
            if self._services.draining.is_set() and message.type is WSMsgType.TEXT:
                continue
            if message.type is WSMsgType.TEXT:
                await self._handle(cast(bytes, message.data))
            elif message.type is WSMsgType.BINARY:
                await ws.close(code=CloseCode.PROTOCOL_VIOLATION, message=b"text frames only")
            else:
                return

    async def _handle(self, data: bytes) -> None:
        op: protocol.ClientOp | None = None
        try:
            rates = self._services.rates
            if rates is not None:
                rates.admit(self._employee)
            op = decode(protocol.op_decoder, data)
            match op:
                case protocol.Send():
                    await self._send(op)
                case protocol.Edit() | protocol.Delete():
                    await self._amend(op)
                case protocol.Mark():
                    await self._mark(op)
                case protocol.Typing():
                    await self._typing(op)
                case protocol.Resume():
                    await self._resume(op)
                case protocol.Ping():
                    self._connection.send(Pong(op.id))
                case protocol.Auth():
                    await self._replace_token(op)
                case _:
                    assert_never(op)
        except ServiceError as error:
            id = protocol.op_id(data) if op is None else op.id
            self._connection.send(error_event(error, id))
            if isinstance(error, RateLimited) and error.retry_after is not None:
                # Its peer has to wait, too, but the end of the socket not for long.
                await asyncio.sleep(min(error.retry_after, PAUSE_SECONDS))
        except Exception:
            log.exception("an op failed", connection=self._connection.id)
            id = None if op is None else op.id
            self._connection.send(error_event(InternalError("The fault was logged."), id))

    async def _send(self, op: protocol.Send) -> None:
        connection = self._connection
        messaging = self._services.messaging
        conversation = messaging.conversations.known(self._employee, op.to)
        if conversation is None:
            conversation = await messaging.conversations.open(
                self._employee, op.to, connection.token
            )
        if connection.full:
            await connection.room()
        sent_at = None if op.sent_at is None else in_utc(op.sent_at, "$.sent_at")
        draft = Draft.message(
            conversation,
            op.id,
            self._employee,
            text=op.text,
            sent_at=sent_at,
            settle=self._answer,
            origin=connection,
        )
        messaging.submit(draft)
        connection.began()
        if self._typing_to:
            self._stop_typing(conversation)

    async def _amend(self, op: protocol.Edit | protocol.Delete) -> None:
        messaging = self._services.messaging
        conversation = await messaging.conversations.get(self._employee, op.conversation)
        await self._connection.room()
        about = (conversation, op.id, self._employee, op.message)
        if isinstance(op, protocol.Edit):
            draft = Draft.edit(*about, text=op.text, settle=self._answer, origin=self._connection)
        else:
            draft = Draft.delete(*about, settle=self._answer, origin=self._connection)
        messaging.submit(draft)
        self._connection.began()

    async def _mark(self, op: protocol.Mark) -> None:
        conversations = self._services.messaging.conversations
        conversation = await conversations.get(self._employee, op.conversation)
        self._services.marking.mark(self._employee, conversation, op.received, op.read)

    def _answer(self, draft: Draft, outcome: Entry | ServiceError, repeated: bool) -> None:
        self._connection.ended()
        if isinstance(outcome, Entry):
            ack = Ack(outcome.id, outcome.conversation, outcome.seq, outcome.timestamp)
            self._connection.send(ack)
        else:
            self._connection.send(error_event(outcome, draft.id))

    async def _typing(self, op: protocol.Typing) -> None:
        conversations = self._services.messaging.conversations
        conversation = await conversations.find(self._employee, op.to)
        if conversation is None:  # nobody is told that somebody types who never wrote to them
            return
        if not op.active:
            self._stop_typing(conversation)
            return
        now = time.monotonic()
        if now - self._typing_to.get(conversation, float("-inf")) >= TYPING_SECONDS:
            self._typing_to[conversation] = now
            self._services.delivery.typing(self._employee, conversation, active=True)

    def _stop_typing(self, conversation: Conversation) -> None:
        if self._typing_to.pop(conversation, None) is not None:
            self._services.delivery.typing(self._employee, conversation, active=False)

    async def _resume(self, op: protocol.Resume) -> None:
        connection = self._connection
        connection.hold()
        covered: dict[str, int] = {}
        try:
            await connection.quiet()
            missed = await self._services.resumption.catch_up(self._employee, op.cursors)
            connection.flush()
            async with asyncio.timeout(CATCH_UP_SECONDS):
                for event in missed.events:
                    await self._ws.send_frame(event, WSMsgType.TEXT)
            connection.send(Resumed(missed.conversations, op.id))
            self._services.counts.resumes += 1
            self._services.counts.caught_up += len(missed.events)
            covered = missed.covered
        except (TimeoutError, ConnectionError):
            connection.abort(CloseCode.SLOW_CONSUMER)
        finally:
            connection.release(covered, self._services.delivery.sequencer.position)

    async def _replace_token(self, op: protocol.Auth) -> None:
        verifier = self._services.verifier
        claims = verifier.cached(op.token) or await verifier.verify(op.token)
        present = self._connection.claims
        if (claims.sub, claims.sid) != (present.sub, present.sid):
            raise Forbidden("A socket's token can be replaced only by one of the same session.")
        self._connection.claims = claims
        self._connection.token = op.token
        self._watch_expiry()
        self._connection.send(Ack(op.id))

    def _watch_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        left = self._connection.claims.exp - time.time()
        loop = asyncio.get_running_loop()
        if left > EXPIRY_WARNING_SECONDS:
            self._expiry = loop.call_later(left - EXPIRY_WARNING_SECONDS, self._warn_of_expiry)
        else:
            self._warn_of_expiry()

    def _warn_of_expiry(self) -> None:
        expires = self._connection.claims.exp
        self._connection.send(protocol.TokenExpiring(datetime.fromtimestamp(expires, UTC)))
        loop = asyncio.get_running_loop()
        self._expiry = loop.call_later(max(0.0, expires - time.time()), self._expire)

    def _expire(self) -> None:
        self._close(CloseCode.TOKEN_EXPIRED, b"token expired")

    def _revoke(self) -> None:
        self._close(CloseCode.SESSION_REVOKED, b"session revoked")

    def _close(self, code: CloseCode, reason: bytes) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._ws.close(code=code, message=reason))
