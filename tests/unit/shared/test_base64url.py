"""base64url without padding: read back as written, and nothing else is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import base64url


@given(st.binary(max_size=80))
def test_bytes_are_read_back_as_they_were_written(data: bytes) -> None:
    text = base64url.encode(data)
    assert "=" not in text
    assert base64url.decode(text) == data


@pytest.mark.parametrize("text", ["A", "AA A", "AAAA\n", "AA=A", "ÄÄÄÄ", "A.AA"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        base64url.decode(text)
