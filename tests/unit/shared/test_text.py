"""What a text and a label may hold."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.text import check_label, check_text

PATH = "$.text"

NOTHING_TO_SEE = {
    "nothing": "",
    "blanks": " \t\n\u00a0\u3000",
    "zero-width space": "\u200b",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "Hangul filler": "\u3164",
    "half-width Hangul filler": "\uffa0",
    "Braille blank": "\u2800",
    "soft hyphen": "\u00ad",
    "variation selectors": "\ufe0f\U000e0100",
    "a mark on nothing": "\u0301\u0301",
    "an enclosing keycap on nothing": "\u20e3",
    "invisible plus": "\u2064",
    "tags": "\U000e0041\U000e007f",
    "all of these": "\u200b \u2800\u3164\u0301",
}
SEEN = [
    "a",
    "0",
    ".",
    "😀",
    "❤\ufe0f",
    "👩\u200d👩\u200d👧",
    "🇳🇴",
    "1\ufe0f\u20e3",
    "e\u0301",
    "שלום",
    "مرحبا",
    "क्षि",
    "한글",
    "\u200bseen\u200b",
    "line\nbreak\r\nand\ttab",
    "\U0001fae9",  # newer than some tables
]


@pytest.mark.parametrize("name", NOTHING_TO_SEE)
def test_what_shows_nothing_is_refused(name: str) -> None:
    for check in (check_text, check_label):
        with pytest.raises(InvalidInput) as refusal:
            check(NOTHING_TO_SEE[name], PATH)
        (problem,) = refusal.value.problems
        assert problem.path == PATH
        assert problem.detail in ("is empty", "shows nothing")


@pytest.mark.parametrize("text", SEEN)
def test_what_people_write_is_taken(text: str) -> None:
    check_text(text, PATH)


@pytest.mark.parametrize("control", ["\x00", "\x07", "\x0b", "\x1b", "\x7f", "\x85", "\x9b"])
def test_a_control_character_is_refused_and_named(control: str) -> None:
    for check in (check_text, check_label):
        with pytest.raises(InvalidInput) as refusal:
            check(f"ab{control}c", PATH)
        assert f"U+{ord(control):04X}" in refusal.value.detail
        assert refusal.value.problems[0].detail == f"has U+{ord(control):04X} at 2"


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\u2028", "\u202e", "\u2066", "\u200f"])
def test_a_label_is_one_line_in_one_direction(character: str) -> None:
    with pytest.raises(InvalidInput):
        check_label(f"Ann{character}Lee", PATH)


BALANCED = [
    "\u2067שלום\u2069",
    "\u202bשלום\u202c and \u202acode\u202c",
    "\u2066a\u202bb\u202cc\u2069",
    "plain",
]
UNBALANCED = [
    "\u202eevil",
    "\u2067never ended",
    "one\u2069",
    "one\u202c",
    "\u2066a\u202bb\u2069c\u202c",
    "\u202bone line\nanother\u202c",
]


@pytest.mark.parametrize("text", BALANCED)
def test_directions_that_are_changed_back_are_taken(text: str) -> None:
    check_text(text, PATH)


@pytest.mark.parametrize("text", UNBALANCED)
def test_a_direction_that_is_not_changed_back_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_text(text, PATH)
    assert "direction" in refusal.value.detail


def test_every_character_alone_is_taken_or_refused_for_what_it_is() -> None:
    for code in range(sys.maxunicode + 1):
        if 0xD800 <= code < 0xE000:
            continue
        character = chr(code)
        category = unicodedata.category(character)
        taken = _is_taken(character)
        if category in ("Cc", "Mn", "Me", "Zs", "Zl", "Zp"):
            assert not taken, hex(code)
        elif category in ("Lu", "Ll", "Lt", "Nd", "Nl", "No", "Pd", "Ps", "Pe", "Po", "Sm", "Sc"):
            assert taken, hex(code)


@given(st.text())
def test_any_text_is_taken_or_refused_by_name(text: str) -> None:
    for check in (check_text, check_label):
        refusal = None
        try:
            check(text, PATH)
        except InvalidInput as error:
            refusal = error
        if refusal is not None:
            assert refusal.problems[0].path == PATH
            assert refusal.detail.isprintable()


def _is_taken(text: str) -> bool:
    try:
        check_text(text, PATH)
    except InvalidInput:
        return False
    return True
