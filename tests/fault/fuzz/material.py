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

CATEGORIES = (
    *("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No"),
    *("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So"),
    *("Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cn"),
)
"""Of Unicode, but for surrogates, which no encoder writes."""


def texts(most: int) -> st.SearchStrategy[str]:
    """Up to `most` characters: of one category, or letters and one of any category."""

    def of(category: str) -> st.SearchStrategy[str]:
        return st.characters(categories=(category,))  # type: ignore[arg-type]

    category = st.sampled_from(CATEGORIES)
    letters = st.characters(categories=("Lu", "Ll"))
    alike = category.flatmap(lambda name: st.text(of(name), min_size=1, max_size=most))
    return alike | st.text(letters | category.flatmap(of), max_size=most)
