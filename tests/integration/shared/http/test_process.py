"""A service as a process: says where it listens, logs JSON, ends in good order."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deploy import ROOT

PROGRAM = """
import os
from shared.http.application import assemble, prepare_process, run
from shared.http.health import Health
from shared.observability.metrics import HttpMetrics
from shared.settings import Settings, load_or_exit

settings = load_or_exit(Settings, os.environ, "example")
prepare_process(settings)
run(
    assemble(settings, title="Example", description="", endpoints=(), health=Health({}),
             metrics=HttpMetrics()),
    settings,
)
"""
SETTINGS = {
    "MONGO_URL": "mongodb://127.0.0.1",
    "MONGO_DATABASE": "unused",
    "HOST": "127.0.0.1",
    "PORT": "0",
    "RATE_LIMITS": "off",
}


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-Werror", "-c", PROGRAM],
        cwd=ROOT,
        env=SETTINGS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_service_says_where_it_listens_and_stops_when_told(
    process: subprocess.Popen[str], stop: signal.Signals
) -> None:
    assert process.stdout is not None
    warning = json.loads(process.stdout.readline())
    assert warning["level"] == "warning"
    assert "RATE_LIMITS=off" in warning["event"]
    listening = json.loads(process.stdout.readline())
    assert listening["event"] == "listening"
    assert listening["address"].startswith("http://127.0.0.1:")
    process.send_signal(stop)
    rest, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert errors == ""
    assert rest == ""


def test_a_service_without_its_settings_does_not_start() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("example cannot start:\nMONGO_URL is missing")
