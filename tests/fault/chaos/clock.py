"""A wall clock of its own for a process of ours, which is wrong: Debian's libfaketime.

It makes a service several times slower (its waits are emulated, too), so a process has it only
while its clock is wrong: it is started with it, and started again without.
"""

from deploy.local.install.packages import libfaketime

AVAILABLE = libfaketime() is not None
HOW_TO_GET = "wrong clocks need libfaketime (on Debian and Ubuntu: apt-get install libfaketime)"


def wrong_clock(seconds: int) -> dict[str, str]:
    """The environment of a process that is so many seconds ahead, or behind. Its monotonic clock is
    left alone."""
    return {
        "LD_PRELOAD": str(libfaketime()),
        "FAKETIME": f"{seconds:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
