"""The one device of all tests: a client as the chat service's README asks for one.

`Messenger` does that and keeps nothing; soaks use it by the thousand. `Device` is one that also
remembers every frame and what its user sees. Both tell what happened and leave judging to others.
"""

from tests.support.device.device import Device, Shown
from tests.support.device.frames import (
    AnyFrame,
    Closed,
    Event,
    Failed,
    Opened,
    Received,
    Sent,
)
from tests.support.device.messenger import Account, Messenger
from tests.support.device.talks import (
    assert_exact,
    assert_in_order_of_sending,
    shows_all,
    talking,
)

__all__ = [
    "Account",
    "AnyFrame",
    "Closed",
    "Device",
    "Event",
    "Failed",
    "Messenger",
    "Opened",
    "Received",
    "Sent",
    "Shown",
    "assert_exact",
    "assert_in_order_of_sending",
    "shows_all",
    "talking",
]
