"""A server that runs as an owned process, and again after it was stopped or killed."""

from deploy.local.process.owned import OwnedProcess


class Server:
    """Subclasses start it, as `_process`. Until then, nothing of this has an effect."""

    STOP_SECONDS = 20.0

    def __init__(self) -> None:
        self._process: OwnedProcess | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int | None:
        """The server's own process."""
        return self._process.command_pid if self._process is not None else None

    def stop(self) -> int | None:
        """A clean shutdown; SIGKILL after `STOP_SECONDS`. Returns the exit status."""
        if self._process is None:
            return None
        self._process.terminate(self.STOP_SECONDS)
        return self._process.exit_code

    def kill(self) -> None:
        """SIGKILL, as a crash would be."""
        if self._process is not None:
            self._process.kill()

    def pause(self) -> None:
        """It keeps its connections and answers nothing, until `resume`."""
        if self._process is not None:
            self._process.pause()

    def resume(self) -> None:
        if self._process is not None:
            self._process.resume()

    def tail(self, lines: int = 15) -> str:
        """The end of its output."""
        return self._process.tail(lines) if self._process is not None else ""
