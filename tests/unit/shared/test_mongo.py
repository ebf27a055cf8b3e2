"""What MongoDB could not do now is told from what it never will do, wherever the reply says so."""

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    WriteError,
)

from shared.errors import Unavailable
from shared.mongo import reachable

STEPPED_DOWN, DUPLICATE, INVALID = 189, 11000, 2


def bulk(*codes: int, concern: int | None = None) -> BulkWriteError:
    errors = [{"index": n, "code": code, "errmsg": "no"} for n, code in enumerate(codes)]
    concerns = [] if concern is None else [{"code": concern, "errmsg": "no"}]
    return BulkWriteError({"writeErrors": errors, "writeConcernErrors": concerns})


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("gone"),
        OperationFailure("no", 262),
        WriteError("no", STEPPED_DOWN),
        *(bulk(code) for code in (50, 91, 189, 262, 10107, 11600, 11602, 13435, 13436)),
        bulk(INVALID, STEPPED_DOWN),
        bulk(concern=64),
    ],
)
def test_what_the_server_cannot_do_now_is_unavailable(error: PyMongoError) -> None:
    with pytest.raises(Unavailable), reachable():
        raise error


@pytest.mark.parametrize(
    "error",
    [DuplicateKeyError("no", DUPLICATE), WriteError("no", INVALID), bulk(DUPLICATE), bulk(INVALID)],
)
def test_what_the_server_never_will_do_passes(error: PyMongoError) -> None:
    with pytest.raises(type(error)), reachable():
        raise error
