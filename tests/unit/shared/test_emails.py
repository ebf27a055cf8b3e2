"""Addresses: one person has one name, however it was typed."""

import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.emails import MAX_EMAIL, normalise
from shared.errors import InvalidInput

LOCAL = st.text("abcXYZ0189.!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=64)
LABEL = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?", fullmatch=True)
ADDRESS = st.builds(
    lambda local, labels: f"{local}@{'.'.join(labels)}",
    LOCAL,
    st.lists(LABEL, min_size=1, max_size=4),
)


@given(ADDRESS)
def test_normalising_again_changes_nothing(address: str) -> None:
    once = normalise(address)
    assert normalise(once) == once


@given(ADDRESS)
def test_case_and_surrounding_space_do_not_matter(address: str) -> None:
    assert normalise(f"  {address.upper()}\n") == normalise(address.lower())


@given(ADDRESS)
def test_a_compatibility_form_is_the_same_person(address: str) -> None:
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in address)
    assert unicodedata.normalize("NFKC", wide) == address
    assert normalise(wide) == normalise(address)


@given(st.text())
def test_any_text_is_an_address_in_canonical_form_or_refused(text: str) -> None:
    with suppress(InvalidInput):
        canonical = normalise(text)
        assert normalise(canonical) == canonical
        assert canonical.isascii()
        assert canonical == canonical.lower().strip()
        assert len(canonical) <= MAX_EMAIL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@example..com",
        "ada@-example.com",
        "ada@example.com.",
        "ada lovelace@example.com",
        "ada@exam\x00ple.com",
        "ada@example.com\x00",
        "ada@example.com\nbcc: eve@example.com",
        "Ada <ada@example.com>",
        "ada@b@example.com",
        "ädä@example.com",
        "ada@exam ple.com",
        "ada@ex\u2764mple.com",
        "ada@[127.0.0.1]",
        "\ud800@example.com",
        f"{'a' * 250}@example.com",
    ],
)
def test_what_is_no_address_is_refused_by_its_path(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        normalise(text, "$.participants[1]")
    assert caught.value.problems[0].path == "$.participants[1]"


def test_the_longest_address_is_accepted_and_one_longer_is_not() -> None:
    longest = "a" * (MAX_EMAIL - len("@example.com")) + "@example.com"
    assert normalise(longest) == longest
    with pytest.raises(InvalidInput):
        normalise("a" + longest)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("user@münchen.de", "user@xn--mnchen-3ya.de"),
        ("User@MÜNCHEN.de", "user@xn--mnchen-3ya.de"),
        ("user@xn--mnchen-3ya.de", "user@xn--mnchen-3ya.de"),
        ("user@faß.de", "user@xn--fa-hia.de"),
        ("user@日本語。jp", "user@xn--wgv71a119e.jp"),
    ],
)
def test_an_internationalised_domain_is_as_dns_has_it(text: str, canonical: str) -> None:
    assert normalise(text) == canonical


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ada", "has no @"),
        ("@example.com", "nothing before"),
        ("ada@", "nothing after"),
        ("a da@example.com", "' ' before"),
        ("ädä@example.com", "'\\xe4' before"),
        (f"{'a' * 250}@example.com", "more than 254"),
        ("ada@example..com", "a domain that is not one"),
        ("ada@ex\u2764mple.com", "no DNS name"),
    ],
)
def test_the_reason_of_a_refusal_is_the_real_one(text: str, why: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        normalise(text)
    assert why in caught.value.detail
    assert why in caught.value.problems[0].detail
