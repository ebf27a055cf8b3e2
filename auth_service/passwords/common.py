"""The passwords that everybody tries first: the 12,000 or so most common ones in leaks.

The list comes with zxcvbn (MIT). Its strength estimate is not used: a refusal by a score cannot be
explained to the person who chose the password.
"""

from functools import cache

SHORTEST = 8
"""Characters; shorter passwords are refused for their length."""


def is_common(password: str) -> bool:
    """Whether `password` is among the most common, in upper or lower case."""
    return password.casefold() in load()


@cache
def load() -> frozenset[str]:
    """The list. The first call takes half a second, so make it before anybody waits."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= SHORTEST)
