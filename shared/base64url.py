"""Bytes as base64url without padding (RFC 7515, section 2)."""

from base64 import b64decode, urlsafe_b64encode


def encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes:
    """Raises `ValueError` if `text` has other characters, or is cut off."""
    return b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
