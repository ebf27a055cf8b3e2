"""`make rotate-keys`: add a signing key that is due in some minutes, and remove expired ones.

Every replica notices the file, and publishes the key before it signs with it. A key is removed once
its successor has signed for longer than any access token lives. If the keys are a Kubernetes
Secret, run this on a copy of the folder and put the copy into the Secret.
"""

import os
import sys
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from auth_service.tokens.keys import (
    NAMED_AFTER,
    KeyFolderError,
    key_files,
    read_keys,
    signs_since,
    write_key,
)

AHEAD_SECONDS = 300
"""A Secret takes up to two minutes to reach every node, and a JWKS is cached for one."""
RETIRED_AFTER_SECONDS = 90_000
"""The longest ACCESS_TOKEN_SECONDS plus an hour."""


def rotate(folder: Path, ahead: float = AHEAD_SECONDS) -> tuple[str, list[str]]:
    """The name of the new key, and the names of the removed ones. Raises `KeyFolderError`."""
    if key_files(folder):
        read_keys(folder)  # if anything is wrong, change nothing
    name = f"{datetime.fromtimestamp(time.time() + ahead, UTC):{NAMED_AFTER}}.pem"
    if not write_key(folder, name):
        raise KeyFolderError(f"{folder / name} exists already: the keys were rotated a moment ago.")
    files = key_files(folder)
    needed_from = time.time() - RETIRED_AFTER_SECONDS
    retired = [
        file for file, successor in pairwise(files) if 0 < signs_since(successor) < needed_from
    ]
    for file in retired:
        file.unlink()
    return name, [file.name for file in retired]


def main() -> None:
    folder = Path(os.environ.get("SIGNING_KEYS", ""))
    if not os.environ.get("SIGNING_KEYS"):
        sys.exit("SIGNING_KEYS is missing: set it to the folder of the keys.")
    try:
        name, retired = rotate(folder)
    except (KeyFolderError, OSError) as error:
        sys.exit(f"The keys were not rotated: {error}")
    sys.stdout.write(f"{folder / name} signs in {AHEAD_SECONDS // 60} minutes.\n")
    for file in retired:
        sys.stdout.write(f"Removed {folder / file}, which is no longer needed.\n")


if __name__ == "__main__":
    main()
