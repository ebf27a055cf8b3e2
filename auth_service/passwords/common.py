"""The passwords that everybody tries first: about 12,000 of those that leaks have most often.

They come with zxcvbn (MIT). Its estimate of a password's strength is not asked: it would refuse by
a number what nobody can explain to whoever chose the password.
"""

from functools import cache

SHORTEST = 8
"""Shorter ones are refused for their length."""


def is_common(password: str) -> bool:
    """Whether `password` is among the most common, in any case."""
    return password.casefold() in load()


@cache
def load() -> frozenset[str]:
    """Takes half a second the first time: to be called before anybody waits."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= SHORTEST)
