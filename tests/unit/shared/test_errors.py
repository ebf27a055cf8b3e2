"""What is told about an error can always be written as JSON."""

import msgspec

from shared.errors import ForeignOrigin


def test_a_detail_that_quotes_a_header_of_foreign_bytes_can_be_encoded() -> None:
    origin = b"http://\xff".decode(errors="surrogateescape")
    error = ForeignOrigin(f"Pages of {origin} may not connect here.")
    assert msgspec.json.decode(msgspec.json.encode(error.detail)) == error.detail
    assert r"\udcff" in error.detail
