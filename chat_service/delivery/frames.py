"""RFC 6455 frames from a server: unmasked, unfragmented, uncompressed, so a few bytes of header.

Made here, not by aiohttp's writer, so that a frame is built once for all sockets that get it.
"""

from struct import Struct

_MEDIUM = Struct("!BBH").pack
_LARGE = Struct("!BBQ").pack
_TEXT = 0x81
_SMALL = [bytes((_TEXT, length)) for length in range(126)]


def text_frame(payload: bytes) -> bytes:
    """A whole text message (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < 126:
        return _SMALL[length] + payload
    if length < 65536:
        return _MEDIUM(_TEXT, 126, length) + payload
    return _LARGE(_TEXT, 127, length) + payload


def control_frame(opcode: int, payload: bytes) -> bytes:
    """A control frame of up to 125 bytes of `payload` (RFC 6455, section 5.5)."""
    return bytes((0x80 | opcode, len(payload))) + payload


def close_frame(code: int, reason: bytes) -> bytes:
    """A close frame (RFC 6455, section 5.5.1)."""
    return control_frame(0x8, code.to_bytes(2) + reason)
