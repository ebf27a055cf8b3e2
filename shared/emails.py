"""Email addresses: they identify people everywhere, in one canonical form."""

import re
import unicodedata

import idna

from shared.errors import FieldProblem, InvalidInput

MAX_EMAIL = 254
"""Characters of an address: RFC 5321, section 4.5.3.1.3, without the angle brackets."""

# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address: deliberately stricter than
# RFC 5322, and without the need for a dot in the domain.
_LOCAL_PART = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+")
_DOMAIN = re.compile(
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)


def normalise(email: str, path: str = "$.email") -> str:
    """The canonical form of `email`: trimmed, NFKC, lower case, the domain as DNS has it (IDNA
    2008; `münchen.de` is `xn--mnchen-3ya.de`).

    Raises `InvalidInput`, naming `path` and the reason, if it is not an address.
    """
    canonical = unicodedata.normalize("NFKC", email.strip()).lower()
    local_part, at, domain = canonical.rpartition("@")
    if not at:
        raise _not_an_address("has no @", path)
    if not local_part:
        raise _not_an_address("has nothing before the @", path)
    if len(canonical) > MAX_EMAIL:
        raise _not_an_address(f"has more than {MAX_EMAIL} characters", path)
    if not (found := _LOCAL_PART.match(local_part)) or found.end() < len(local_part):
        strange = local_part[found.end() if found else 0]
        raise _not_an_address(f"has {strange!a} before the last @", path)
    canonical = f"{local_part}@{_domain(domain, path)}"
    if len(canonical) > MAX_EMAIL:
        raise _not_an_address(f"has more than {MAX_EMAIL} characters", path)
    return canonical


def _domain(domain: str, path: str) -> str:
    if not domain:
        raise _not_an_address("has nothing after the @", path)
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError:
            raise _not_an_address("has a domain that no DNS name can have", path) from None
    if not _DOMAIN.fullmatch(domain):
        raise _not_an_address("has a domain that is not one", path)
    return domain


def _not_an_address(why: str, path: str) -> InvalidInput:
    return InvalidInput(
        f"This is not an email address: it {why}.", problems=(FieldProblem(path, why),)
    )
