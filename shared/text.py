"""What a text, a name and a label may hold: the one place that says it.

Unicode that is well-formed comes from the JSON decoder. Here it is about what people see: something
at all, no control characters, and no order of writing that spills over into what is around it
(Unicode Technical Reports 36 and 39).
"""

import re

import regex

from shared.errors import FieldProblem, InvalidInput

# A letter, digit, symbol or mark of punctuation that leaves ink. Not: spaces, what is ignorable by
# default (fillers, variation selectors, zero-width characters), marks without anything to stand on,
# and the Braille pattern without dots.
_VISIBLE = regex.compile(
    r"[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{M}\p{Cc}\p{Cf}\u2800]"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_BUT_BREAKS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_BIDI_MARKS = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
_POP_EMBEDDING, _POP_ISOLATE = "\u202c", "\u2069"
_ISOLATES = frozenset("\u2066\u2067\u2068")


def check_text(text: str, path: str) -> None:
    """Raises `InvalidInput`, naming `path`, unless `text` shows something, has no control
    characters but tabs and line breaks, and balances its bidirectional controls in each line."""
    if text.isascii() and text.isprintable() and text.strip():  # as most texts are
        return
    _check_visible(text, path)
    _refuse(_CONTROL_BUT_BREAKS, text, path, "a control character that is no tab or line break")
    if not text.isascii() and _BIDI.search(text):
        for line in text.splitlines():
            _check_balance(line, path)


def check_label(label: str, path: str) -> None:
    """Raises `InvalidInput`, naming `path`, unless `label` (a name, a department) shows something
    and has neither control characters nor line breaks nor bidirectional controls."""
    _check_visible(label, path)
    _refuse(_CONTROL, label, path, "a control character or a line break")
    _refuse(_BIDI_MARKS, label, path, "a control of the direction of writing")


def _check_visible(text: str, path: str) -> None:
    if not _VISIBLE.search(text):
        what = "is empty" if not text else "shows nothing"
        raise InvalidInput("This needs something to read.", problems=(FieldProblem(path, what),))


def _refuse(pattern: re.Pattern[str], text: str, path: str, what: str) -> None:
    if found := pattern.search(text):
        character = f"U+{ord(found.group()):04X}"
        raise InvalidInput(
            f"This has {what} ({character}).",
            problems=(FieldProblem(path, f"has {character} at {found.start()}"),),
        )


def _check_balance(line: str, path: str) -> None:
    """Every embedding, override and isolate is ended, by its own kind and in its line."""
    opened: list[str] = []
    for found in _BIDI.finditer(line):
        character = found.group()
        if character not in (_POP_EMBEDDING, _POP_ISOLATE):
            opened.append(_POP_ISOLATE if character in _ISOLATES else _POP_EMBEDDING)
        elif not opened or opened.pop() != character:
            opened.append("")
            break
    if opened:
        raise InvalidInput(
            "This changes the direction of writing and does not change it back.",
            problems=(FieldProblem(path, "has unbalanced bidirectional controls"),),
        )
