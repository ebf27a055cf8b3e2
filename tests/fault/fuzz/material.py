"""Values that are valid where they come from, and belong nowhere."""

from datetime import UTC

from bson import Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import strategies as st

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(("$gt",)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)

ids = [ObjectId(bytes([n] * 12)) for n in range(1, 5)]
keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
bson_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1).map(Int64)
    | st.floats()
    | st.text(max_size=30)
    | st.binary(max_size=20)
    | st.datetimes(timezones=st.just(UTC))
    | st.uuids()
    | st.sampled_from([MinKey(), MaxKey(), Timestamp(1, 1), Regex("a"), Decimal128("NaN"), *ids]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner),
    max_leaves=5,
)
