"""run-all starts everything, says what went wrong, and leaves nothing running."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from deploy import ROOT
from deploy.local.backing.mongodb import MongoServer
from deploy.local.backing.rabbitmq import RabbitServer
from deploy.local.process.ports import free_port, is_free, listener
from tests.support.conditions import eventually

RUNNING = "Ctrl-C stops everything"


class RunAll:
    """One run, with its own folder and ports."""

    def __init__(self, directory: Path, environment: dict[str, str]):
        self.ports = {name: free_port() for name in ("AUTH_PORT", "CHAT_PORT", "MONGO_PORT")}
        self._log = directory / "output"
        self._environment = {
            **os.environ,
            **{name: str(port) for name, port in self.ports.items()},
            "CHAT_INSTANCES": "1",
            "RUN_DIR": str(directory / "run"),
            **environment,
        }
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "deploy.local.run_all"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def await_running(self) -> None:
        eventually(lambda: RUNNING in self.output or self.process.poll() is not None, 60)
        assert RUNNING in self.output, self.output

    def pid_at(self, port: str) -> int:
        holder = listener(self.ports[port])
        assert holder is not None
        return holder.pid

    def await_free_ports(self) -> None:
        eventually(lambda: all(is_free(port) for port in self.ports.values()))


@pytest.fixture
def run_all(tmp_path: Path) -> Iterator[Callable[[dict[str, str]], RunAll]]:
    runs: list[RunAll] = []

    def start(environment: dict[str, str]) -> RunAll:
        runs.append(RunAll(tmp_path, environment))
        return runs[-1]

    yield start
    for run in runs:
        run.process.kill()
        run.process.wait()


def test_servers_that_are_there_are_used_and_left_alone(
    run_all: Callable[[dict[str, str]], RunAll],
    mongo_server: MongoServer,
    rabbit_server: RabbitServer,
    mongo_url: str,
    amqp_url: str,
) -> None:
    run = run_all({"MONGO_URL": mongo_url, "AMQP_URL": amqp_url})
    run.await_running()
    assert not is_free(run.ports["AUTH_PORT"])
    assert not is_free(run.ports["CHAT_PORT"])
    assert is_free(run.ports["MONGO_PORT"])

    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(30) == 0
    run.await_free_ports()
    assert mongo_server.running
    assert rabbit_server.running


def test_own_data_outlives_a_run(run_all: Callable[[dict[str, str]], RunAll]) -> None:
    run = run_all({"AMQP_URL": "memory://"})
    run.await_running()
    url = f"mongodb://127.0.0.1:{run.ports['MONGO_PORT']}/?replicaSet=rs0"
    with MongoClient[dict[str, object]](url) as client:
        client["run_all"]["kept"].insert_one({"_id": 1})
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(30) == 0

    run.process = run.start()
    eventually(lambda: run.output.count(RUNNING) == 2)
    with MongoClient[dict[str, object]](url) as client:
        assert client["run_all"]["kept"].count_documents({}) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says who holds a port")
def test_service_that_dies_is_named_and_everything_stops(
    run_all: Callable[[dict[str, str]], RunAll], mongo_url: str
) -> None:
    run = run_all({"MONGO_URL": mongo_url, "AMQP_URL": "memory://"})
    run.await_running()
    os.kill(run.pid_at("CHAT_PORT"), signal.SIGKILL)
    assert run.process.wait(30) == 1
    assert "chat-1 ended with exit code 137" in run.output
    run.await_free_ports()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says who holds a port")
def test_killed_run_leaves_nothing_running(run_all: Callable[[dict[str, str]], RunAll]) -> None:
    run = run_all({"AMQP_URL": "memory://"})
    run.await_running()
    run.process.kill()
    run.process.wait()
    run.await_free_ports()


def test_second_run_in_the_same_folder_is_refused(
    run_all: Callable[[dict[str, str]], RunAll], mongo_url: str
) -> None:
    run = run_all({"MONGO_URL": mongo_url, "AMQP_URL": "memory://"})
    run.await_running()
    assert run.start().wait(30) == 1
    assert f"is running in this folder already (pid {run.process.pid})" in run.output


def test_taken_port_is_named_before_anything_starts(
    run_all: Callable[[dict[str, str]], RunAll], mongo_server: MongoServer, mongo_url: str
) -> None:
    run = run_all({"AMQP_URL": "memory://", "MONGO_PORT": str(mongo_server.port)})
    assert run.process.wait(30) == 1
    assert f"Port {mongo_server.port}, which MongoDB needs, is taken" in run.output
    assert "starting" not in run.output
