"""The images: what they are made of, and what their health check does."""

import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from deploy import ROOT

HEALTHCHECK = ROOT / "deploy" / "docker" / "healthcheck.py"
TARGETS = {"auth": "auth_service", "chat": "chat_service"}

Step = tuple[str, str]


def stages() -> dict[str, list[Step]]:
    """Each stage's instructions, those of the stage that it is built from first."""
    text = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found: dict[str, list[Step]] = {}
    steps: list[Step] = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        instruction, _, argument = line.partition(" ")
        if instruction == "FROM":
            base, _, name = argument.partition(" AS ")
            steps = found[name] = list(found.get(base, []))
        else:
            steps.append((instruction, argument.strip()))
    return found


def last(steps: list[Step], instruction: str) -> str:
    return [argument for name, argument in steps if name == instruction][-1]


@pytest.mark.parametrize(("target", "module"), TARGETS.items())
def test_an_image_runs_its_service_as_a_numbered_user(target: str, module: str) -> None:
    steps = stages()[target]
    assert last(steps, "ENTRYPOINT") == f'["python", "-m", "{module}"]'
    assert (ROOT / module / "__main__.py").exists()
    assert last(steps, "USER") == "10001:10001"
    assert last(steps, "STOPSIGNAL") == "SIGTERM"
    assert "/app/healthcheck.py" in last(steps, "HEALTHCHECK")
    assert f"PORT={last(steps, 'EXPOSE')}" in last(steps, "ENV")


@pytest.mark.parametrize(("target", "module"), TARGETS.items())
def test_an_image_has_nothing_but_what_the_lock_and_the_service_say(
    target: str, module: str
) -> None:
    copied = [argument for name, argument in stages()[target] if name == "COPY"]
    assert copied == [f"--from=build-{target} /venv /venv", f"--from=build-{target} /app /app"]
    build = stages()[f"build-{target}"]
    installs = [argument for name, argument in build if name == "RUN" and " install " in argument]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert "--only-binary :all:" in installs[0]
    copies = [argument for name, argument in build if name == "COPY"]
    page = [argument for argument in copies if argument.startswith("--from=")]
    assert page == (
        ["--from=web /web/dist ./chat_service/web/dist"] if module == "chat_service" else []
    )
    sources = {argument.split()[0] for argument in copies if argument not in page}
    assert sources == {
        "deploy/docker/healthcheck.py",
        f"requirements/{target}.txt",
        "shared",
        module,
    }
    assert all((ROOT / source).exists() for source in sources)


@pytest.mark.parametrize("target", TARGETS)
def test_a_lock_has_a_hash_for_every_package(target: str) -> None:
    text = (ROOT / "requirements" / f"{target}.txt").read_text()
    packages = re.findall(r"^[a-z0-9].*", text, re.MULTILINE)
    hashed = re.findall(r"^[a-z0-9].*\\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(packages) == len(hashed) > 10


def test_the_build_sees_only_what_the_images_are_made_of() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        argument.split()[0]
        for target in TARGETS
        for name, argument in stages()[f"build-{target}"]
        if name == "COPY"
    }
    assert let_in == copied - {"--from=web"}


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()
        self.wfile.write(b"said")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def check(port: int, path: str) -> tuple[int, str]:
    environ = {"PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, str(HEALTHCHECK), path],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_the_health_check_passes_on_200_only(port: int) -> None:
    assert check(port, "/healthz") == (0, "said\n")
    assert check(port, "/readyz") == (1, "said\n")


def test_the_health_check_fails_where_nobody_answers() -> None:
    code, shown = check(1, "/healthz")
    assert code == 1
    assert shown.startswith("no answer")
