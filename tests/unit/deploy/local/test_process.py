"""What the local servers are built from: ports with known holders, processes that end with us."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from deploy.local.backing import amqp_handshake
from deploy.local.process import ports
from deploy.local.process.owned import OwnedProcess, tethered
from tests.support.conditions import eventually

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(600)",
]


def test_taken_port_is_reported_with_its_holder_and_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ports.PortTaken) as raised:
            ports.require_free(port, "the auth service", "AUTH_PORT")
    message = str(raised.value)
    assert f"Port {port}, which the auth service needs, is taken" in message
    assert "AUTH_PORT" in message
    if sys.platform == "linux":
        assert f"(pid {os.getpid()})" in message


def test_free_port_is_free_and_not_one_for_outgoing_connections() -> None:
    port = ports.free_port()
    assert port in ports.FREE_PORTS
    ports.require_free(port, "a test", "NOTHING")


def test_process_ends_with_the_command_and_keeps_its_output(tmp_path: Path) -> None:
    process = OwnedProcess(
        [sys.executable, "-c", "print('last words'); raise SystemExit(7)"],
        log=tmp_path / "process.log",
    )
    eventually(lambda: not process.running)
    assert process.exit_code == 7
    assert process.tail() == "last words"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when it has stopped")
def test_a_paused_process_does_nothing_more_until_it_is_resumed(tmp_path: Path) -> None:
    counting = "import time\nwhile True: print(time.monotonic_ns(), flush=True)"
    process = OwnedProcess([sys.executable, "-c", counting], log=tmp_path / "process.log")
    try:
        for _ in range(20):
            process.resume()
            before = process.log.stat().st_size
            eventually(lambda before=before: process.log.stat().st_size > before)  # type: ignore[misc]
            process.pause()
            paused_at = time.monotonic_ns()
            *_, written_last = process.tail().splitlines()
            assert int(written_last) < paused_at
    finally:
        process.kill()


def test_terminated_process_is_gone(tmp_path: Path) -> None:
    process = OwnedProcess(SLEEPER, log=tmp_path / "process.log")
    eventually(lambda: process.tail() == "up")
    process.terminate(timeout_s=30)
    assert process.exit_code == 128 + signal.SIGTERM


def test_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    process = OwnedProcess(STUBBORN, log=tmp_path / "process.log")
    eventually(lambda: process.tail() == "up")
    process.terminate(timeout_s=0.1)
    assert process.exit_code == 128 + signal.SIGKILL


def test_process_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    started: list[OwnedProcess] = []
    log = tmp_path / "process.log"
    thread = threading.Thread(target=lambda: started.append(OwnedProcess(SLEEPER, log=log)))
    thread.start()
    thread.join()
    eventually(lambda: started[0].tail() == "up")
    assert started[0].running
    started[0].kill()


def test_process_of_a_killed_owner_ends() -> None:
    with subprocess.Popen(["sleep", "600"]) as owner:
        command = tethered(SLEEPER, owner=owner.pid)
        with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as tether:
            try:
                assert tether.stdout is not None
                assert tether.stdout.readline() == b"up\n"
                owner.kill()
                owner.wait()
                assert tether.wait(timeout=30) == 128 + signal.SIGTERM
            finally:
                tether.send_signal(signal.SIGUSR1)


def test_only_amqp_counts_as_a_broker() -> None:
    def hang_up_on_everyone(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=hang_up_on_everyone, args=(listener,))
        answering.start()
        assert not amqp_handshake.accepts(f"amqp://127.0.0.1:{listener.getsockname()[1]}/")
        answering.join()
    assert not amqp_handshake.accepts(f"amqp://127.0.0.1:{ports.free_port()}/")
    assert not amqp_handshake.accepts("memory://")
