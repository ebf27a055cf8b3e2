"""A disk of its own for one member of MongoDB, which can be made full: a small tmpfs."""

import os
import shutil
import subprocess
from pathlib import Path

MEGABYTES = 1024
NOT_PERMITTED = "a full disk needs the right to mount a tmpfs"


class SmallDisk:
    """Mounted at `folder`, where that is permitted; `available` says whether it was."""

    def __init__(self, folder: Path) -> None:
        self.available = False
        self._folder = folder

    def mount(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            options = f"size={MEGABYTES}m,mode=0700"
            self.available = _run("mount", "-t", "tmpfs", "-o", options, "chaos", self._folder)

    def fill(self) -> None:
        """From now on there is no room for another byte."""
        used = shutil.disk_usage(self._folder).used
        _run("mount", "-o", f"remount,size={used}", self._folder)

    def free(self) -> None:
        _run("mount", "-o", f"remount,size={MEGABYTES}m", self._folder)

    def unmount(self) -> None:
        if self.available:
            _run("umount", "--lazy", self._folder)
            self.available = False


def _run(*command: object) -> bool:
    done = subprocess.run([str(word) for word in command], capture_output=True, check=False)
    return done.returncode == 0
