"""Email addresses: they identify people everywhere, in one canonical form."""

import re
import unicodedata

from shared.errors import FieldProblem, InvalidInput

MAX_EMAIL = 254
"""Characters of an address: RFC 5321, section 4.5.3.1.3, without the angle brackets."""

# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address: deliberately stricter than
# RFC 5322, and without the need for a dot in the domain.
_VALID = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+"
    r"@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)


def normalise(email: str, path: str = "$.email") -> str:
    """The canonical form of `email`: trimmed, NFKC, lower case.

    Raises `InvalidInput`, naming `path`, if it is not an address.
    """
    canonical = unicodedata.normalize("NFKC", email.strip()).lower()
    if len(canonical) > MAX_EMAIL or not _VALID.fullmatch(canonical):
        raise InvalidInput(
            "This is not an email address.",
            problems=(
                FieldProblem(path, f"expected an address of at most {MAX_EMAIL} characters"),
            ),
        )
    return canonical
