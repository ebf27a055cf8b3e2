"""One authenticated socket's ops, in their order: decode, call inward, answer errors.

A send is only queued here; the commit answers it. So a sender's messages keep their order, and the
socket's next op does not wait for the database.
"""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import assert_never, cast

from aiohttp import WSMsgType

from chat_service import protocol
from chat_service.delivery import Connection, WriterState
from chat_service.log import Conversation, Draft, Entry, with_other
from chat_service.protocol import Ack, CloseCode, Pong, Resumed, Welcome
from chat_service.websocket.authentication import verified
from chat_service.websocket.backend import Backend
from chat_service.websocket.expiry import TokenExpiry
from chat_service.websocket.refusals import Refusals
from chat_service.websocket.socket import WebSocket, error_event
from shared.decoding import decode, is_utf8
from shared.errors import (
    Forbidden,
    InternalError,
    InvalidInput,
    RateLimited,
    ServiceError,
)
from shared.observability.logs import get_logger
from shared.times import in_utc

log = get_logger("socket")

TYPING_SECONDS = 1.0
"""A socket's `typing` to one person is passed on at most this often."""
PAUSE_SECONDS = 1.0
"""The longest pause in reading a socket after one of its ops was refused for its rate."""
CATCH_UP_SECONDS = 60.0
"""A peer that takes longer to read the entries of a resume is cut off."""

_OPEN = WriterState.OPEN


class SocketOps:
    """One socket from its welcome to its close."""

    __slots__ = (
        "_backend",
        "_connection",
        "_employee",
        "_expiry",
        "_refusals",
        "_typing_to",
        "_window",
        "_ws",
    )

    def __init__(self, ws: WebSocket, connection: Connection, backend: Backend) -> None:
        self._ws = ws
        self._connection = connection
        self._backend = backend
        self._window = connection.window
        self._employee = connection.employee
        self._expiry = TokenExpiry(connection)
        self._typing_to: dict[Conversation, float] = {}
        self._refusals = Refusals()

    async def run(self) -> None:
        """Returns when the socket is closed, by whomever. The connection is in the hub already."""
        fanout = self._backend.fanout
        attached = asyncio.ensure_future(fanout.attach(self._employee))
        try:
            await attached
            if self._backend.verifier.is_revoked(self._connection.claims):
                self._connection.close(CloseCode.SESSION_REVOKED)
                return
            self._welcome()
            await self._read()
        finally:
            for conversation in list(self._typing_to):
                self._stop_typing(conversation)
            fanout.detach(self._employee)
            self._expiry.cancel()
            await self._ws.ended()

    def _welcome(self) -> None:
        claims = self._connection.claims
        self._connection.send(
            Welcome(
                connection=self._connection.id,
                employee=self._employee,
                server_time=datetime.now(UTC),
                token_expires_at=datetime.fromtimestamp(claims.exp, UTC),
                limits=self._backend.limits,
            )
        )
        self._connection.gate.release({})
        self._expiry.watch()

    async def _read(self) -> None:
        ws, outgoing = self._ws, self._ws.outgoing
        attention, refusals = self._backend.attention, self._refusals
        while outgoing.state is _OPEN:
            refusals.listening()
            message = await ws.next_message()
            refusals.heard()
            if not attention.take():
                await attention.wait()
            if self._backend.draining.is_set() and message.type is WSMsgType.TEXT:
                continue
            if message.type is WSMsgType.TEXT:
                await self._handle(cast(bytes, message.data))
            elif message.type is WSMsgType.BINARY:
                await ws.refuse_binary()
            else:
                return

    async def _handle(self, data: bytes) -> None:
        op: protocol.ClientOp | None = None
        try:
            rates = self._backend.rates
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
            if error.retry_after is not None:
                op = op or decoded(data)
                self._note_refusal(op, error)
            id = protocol.op_id(data) if op is None else op.id
            if op is None and not is_utf8(data):
                await self._ws.refuse_bytes(error, id)
                return
            self._connection.send(error_event(error, id))
            if isinstance(error, RateLimited) and error.retry_after is not None:
                # The end of the socket waits as well, hence not for longer.
                await asyncio.sleep(min(error.retry_after, PAUSE_SECONDS))
        except Exception:
            log.exception("an op failed", connection=self._connection.id)
            id = None if op is None else op.id
            self._connection.send(error_event(InternalError("The fault was logged."), id))

    async def _send(self, op: protocol.Send) -> None:
        connection = self._connection
        messaging = self._backend.messaging
        conversation = messaging.conversations.known(self._employee, op.to)
        if conversation is None:
            conversation = await messaging.conversations.open(
                self._employee, op.to, connection.token
            )
        if not self._window.free:
            await self._window.room()
        self._refusals.check(conversation.id, op.id)  # which may have changed while it waited
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
        self._window.began()
        if self._typing_to:
            self._stop_typing(conversation)

    async def _amend(self, op: protocol.Edit | protocol.Delete) -> None:
        messaging = self._backend.messaging
        conversation = await messaging.conversations.get(self._employee, op.conversation)
        await self._window.room()
        self._refusals.check(conversation.id, op.id)
        about = (conversation, op.id, self._employee, op.message)
        if isinstance(op, protocol.Edit):
            draft = Draft.edit(*about, text=op.text, settle=self._answer, origin=self._connection)
        else:
            draft = Draft.delete(*about, settle=self._answer, origin=self._connection)
        messaging.submit(draft)
        self._window.began()

    async def _mark(self, op: protocol.Mark) -> None:
        conversations = self._backend.messaging.conversations
        conversation = await conversations.get(self._employee, op.conversation)
        self._backend.marking.mark(self._employee, conversation, op.received, op.read)

    def _answer(self, draft: Draft, outcome: Entry | ServiceError, repeated: bool) -> None:
        self._window.answered()
        if isinstance(outcome, Entry):
            ack = Ack(outcome.id, outcome.conversation, outcome.seq, outcome.timestamp)
            self._connection.send(ack)
        else:
            self._refusals.note(draft.conversation.id, draft.id, outcome, draft.came_at)
            self._connection.send(error_event(outcome, draft.id))

    def _note_refusal(self, op: protocol.ClientOp | None, error: ServiceError) -> None:
        """`op` may come again; what was sent to its conversation after it must not come first."""
        now = time.monotonic()
        match op:
            case protocol.Send():
                with suppress(InvalidInput):
                    conversation = with_other(self._employee, op.to, "$.to")
                    self._refusals.note(conversation.id, op.id, error, now)
            case protocol.Edit() | protocol.Delete():
                self._refusals.note(op.conversation, op.id, error, now)

    async def _typing(self, op: protocol.Typing) -> None:
        conversations = self._backend.messaging.conversations
        conversation = await conversations.find(self._employee, op.to)
        if conversation is None:  # nothing is told before the first message
            return
        if not op.active:
            self._stop_typing(conversation)
            return
        now = time.monotonic()
        if now - self._typing_to.get(conversation, float("-inf")) >= TYPING_SECONDS:
            self._typing_to[conversation] = now
            self._backend.delivery.typing(self._employee, conversation, active=True)

    def _stop_typing(self, conversation: Conversation) -> None:
        if self._typing_to.pop(conversation, None) is not None:
            self._backend.delivery.typing(self._employee, conversation, active=False)

    async def _resume(self, op: protocol.Resume) -> None:
        connection, backend = self._connection, self._backend
        connection.gate.hold()
        covered: dict[str, int] = {}
        try:
            await self._window.quiet()
            missed = await backend.resumption.catch_up(self._employee, op.cursors, only=op.only)
            connection.writer.flush()
            async with asyncio.timeout(CATCH_UP_SECONDS):
                for event in missed.events:
                    await self._ws.send_frame(event, WSMsgType.TEXT)
            connection.send(Resumed(missed.conversations, op.id))
            backend.counts.resumes += 1
            backend.counts.caught_up += len(missed.events)
            covered = missed.covered
        except (TimeoutError, ConnectionError):
            connection.writer.cut_off()
        finally:
            connection.gate.release(covered)

    async def _replace_token(self, op: protocol.Auth) -> None:
        connection = self._connection
        credentials = await verified(self._backend.verifier, op.token)
        present, claims = connection.claims, credentials.claims
        if (claims.sub, claims.sid) != (present.sub, present.sid):
            raise Forbidden("A socket's token can be replaced only by one of the same session.")
        connection.claims = claims
        connection.token = op.token
        self._expiry.watch()
        connection.send(Ack(op.id))


def decoded(data: bytes) -> protocol.ClientOp | None:
    """The op in a frame that was not looked at; None where it is none."""
    try:
        op: protocol.ClientOp = decode(protocol.op_decoder, data)
    except ServiceError:
        return None
    return op
