"""Whom a socket speaks for: its token comes with the upgrade, or in the first frame."""

import asyncio
from typing import cast

from aiohttp import WSMsgType
from msgspec import Struct

from chat_service.protocol import Auth, CloseCode, op_decoder, op_id
from chat_service.websocket.socket import WebSocket
from shared.decoding import decode, is_utf8
from shared.errors import ServiceError, Unauthorized
from shared.tokens import Claims, TokenVerifier


class Credentials(Struct, frozen=True):
    """A token that was verified, and what it says."""

    token: str
    claims: Claims


async def verified(verifier: TokenVerifier, token: str) -> Credentials:
    """Raises `Unauthorized`, or `Unavailable` where the keys cannot be had."""
    return Credentials(token, verifier.cached(token) or await verifier.verify(token))


async def first_frame(ws: WebSocket, verifier: TokenVerifier, seconds: float) -> Credentials | None:
    """The credentials in the socket's first frame, which has to be a valid `auth` and to come
    within `seconds`. Otherwise the socket is closed, and the result is None."""
    try:
        async with asyncio.timeout(seconds):
            message = await ws.next_message()
    except TimeoutError:
        await ws.close(code=CloseCode.AUTH_TIMEOUT, message=b"no auth op in time")
        return None
    if message.type is WSMsgType.BINARY:
        await ws.refuse_binary()
    if message.type is not WSMsgType.TEXT:
        return None
    data = cast(bytes, message.data)
    try:
        op = decode(op_decoder, data)
        if not isinstance(op, Auth):
            raise Unauthorized("The first op must be auth.")
        return await verified(verifier, op.token)
    except ServiceError as error:
        if not is_utf8(data):
            await ws.refuse_bytes(error, op_id(data))
            return None
        code = CloseCode.TRY_AGAIN if error.status == 503 else CloseCode.UNAUTHORIZED
        await ws.refuse(error, op_id(data), code)
        return None
