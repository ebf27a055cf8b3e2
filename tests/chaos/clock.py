"""The wall clock of a process of ours, which can be made to jump: Debian's libfaketime."""

from pathlib import Path

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
HOW_TO_GET = "clock jumps need libfaketime (on Debian and Ubuntu: apt-get install libfaketime)"


class Clock:
    """What a process that is started with `settings` takes for the time.

    Its monotonic clock is left alone, as it is where an operator or NTP sets a clock.
    """

    available = bool(LIBRARIES)

    def __init__(self, name: str, folder: Path) -> None:
        self._file = folder / f"{name}.clock"
        self.jump(0)

    @property
    def settings(self) -> dict[str, str]:
        if not self.available:
            return {}
        return {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, seconds: int) -> None:
        """From now on it is so many seconds ahead of this machine's, or behind it."""
        # Replaced as a whole: it is read at every look at the clock.
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}s\n")
        new.replace(self._file)
