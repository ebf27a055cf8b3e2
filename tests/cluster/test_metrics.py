"""What Prometheus gets from both services: valid, complete, explained, and about nobody."""

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deploy import ROOT
from deploy.local.process.owned import OwnedProcess
from deploy.local.process.ports import free_port
from tests.support.conditions import eventually
from tests.support.system import PASSWORD, System

MONITORING = ROOT / "deploy" / "k8s" / "components" / "monitoring"
LABELS = {"outcome", "what", "work", "committed", "method", "route", "status", "le"}
"""Those of our own metrics: a handful of values each."""
OURS = ("auth_", "chat_", "http_", "asyncio_")

Samples = dict[str, float]


def scraped(url: str) -> str:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as reply:
        return str(reply.read().decode())


def samples(text: str) -> Samples:
    """Values by name, all labels added up."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def exposed(text: str) -> set[str]:
    """The names of our metrics, as a query has them but for a histogram's parts."""
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(text)
        if family.name.startswith(OURS) and not family.name.endswith("_created")
    }


def linted(text: str) -> str:
    """What promtool has to say about it; nothing when all is well."""
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


@pytest.fixture
async def lively(system: System) -> System:
    """Something of everything has happened in it: a message between two instances, a resume, a
    login that failed."""
    ann, ben = await system.person("ann"), await system.person("ben")
    async with system.connect(ann) as sender, system.connect(ben, 1) as reader:
        for number in range(2):
            await sender.said(ben.email, f"message {number}")
        ack = await sender.said(ben.email, "the last")
        await reader.wait("message", seq=3)
        await reader.resume({ack["conversation"]: 1})
    wrong = {"email": ann.email, "password": PASSWORD + "!"}
    async with (
        aiohttp.ClientSession(system.auth.url) as http,
        http.post("/login", json=wrong) as reply,
    ):
        assert reply.status == 401
    return system


async def test_what_happened_was_counted(lively: System) -> None:
    before = [samples(scraped(chat.url)) for chat in lively.chats]
    ann, ben = await lively.person("ann"), await lively.person("ben")
    async with lively.connect(ann) as sender, lively.connect(ben, 1) as reader:
        for number in range(2):
            await sender.said(ben.email, f"message {number}")
        ack = await sender.said(ben.email, "the last")
        await reader.wait("message", seq=3)
        await reader.resume({ack["conversation"]: 1})
        there = [samples(scraped(chat.url)) for chat in lively.chats]
    first, second = (
        {name: now[name] - then.get(name, 0.0) for name in now}
        for now, then in zip(there, before, strict=True)
    )
    assert first["chat_messages_total"] == 3
    assert first["chat_commit_batch_size_sum"] == 3
    assert 1 <= first["chat_commit_seconds_count"] <= 3
    assert first["chat_published_events_total"] == 3
    assert 1 <= first["chat_publish_lag_seconds_count"] <= 3
    assert first["chat_delivery_seconds_count"] == first["chat_commit_seconds_count"]
    assert second["chat_messages_total"] == 0
    assert second["chat_delivery_seconds_count"] == first["chat_published_batches_total"]
    assert 0 < second["chat_delivery_seconds_sum"] < 5
    assert second["chat_resumes_total"] == 1
    assert second["chat_resumed_entries_total"] == 2
    for counted in (first, second):
        assert counted["chat_connections"] == counted["chat_sockets_opened_total"] == 1


async def test_nothing_is_counted_by_person_or_conversation(lively: System) -> None:
    for service in lively.services:
        text = scraped(service.url)
        assert "@" not in text
        used = {
            label
            for family in text_string_to_metric_families(text)
            if family.name.startswith(OURS)
            for sample in family.samples
            for label in sample.labels
        }
        assert used <= LABELS


@pytest.mark.parametrize("name", ["auth", "chat"])
async def test_the_readme_lists_every_metric(lively: System, name: str) -> None:
    service = lively.auth if name == "auth" else lively.chats[0]
    readme = (ROOT / f"{name}_service" / "README.md").read_text()
    table = readme.partition("## Metrics")[2].partition("\n## ")[0]
    listed = set(re.findall(r"`([a-z_]+)(?:\{[a-z, ]+\})?`", table))
    assert {one for one in listed if one.startswith(OURS)} == exposed(scraped(service.url))


async def test_prometheus_finds_nothing_to_complain_about(lively: System) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    for service in lively.services:
        assert linted(scraped(service.url)) == ""


class Prometheus:
    """A real one that scrapes the services every second and knows our rules."""

    def __init__(self, folder: Path, system: System) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        rules = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())["spec"]
        (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
        scrapes = [
            {
                "job_name": job,
                "static_configs": [{"targets": [f"127.0.0.1:{each.port}" for each in group]}],
            }
            for job, group in (("auth", system.auths), ("chat", system.chats))
        ]
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": scrapes,
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
        command = [
            "prometheus",
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        self._process = OwnedProcess(command, log=folder / "prometheus.log")

    def query(self, expression: str) -> list[dict[str, Any]]:
        sent = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{sent}", timeout=10) as reply:
            return list(json.load(reply)["data"]["result"])

    def rules(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/api/v1/rules", timeout=10) as reply:
            groups = json.load(reply)["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def has_scraped(self, targets: int) -> bool:
        """Twice at least, so that there are rates."""
        try:
            found = self.query("count_over_time(up[1m]) >= 3 and up == 1")
        except OSError:
            return False
        return len(found) == targets

    def kill(self) -> None:
        self._process.kill()


@pytest.fixture
def prometheus(tmp_path: Path, lively: System) -> Iterator[Prometheus]:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    prometheus = Prometheus(tmp_path, lively)
    try:
        eventually(lambda: prometheus.has_scraped(len(lively.services)))
        yield prometheus
    finally:
        prometheus.kill()


async def test_every_panel_shows_something_and_no_alert_fires(
    lively: System, prometheus: Prometheus
) -> None:
    ann, ben = await lively.person("ann"), await lively.person("ben")
    async with lively.connect(ann) as sender:
        await sender.said(ben.email, "so that there is something to show")
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "1m")
            assert prometheus.query(expression), f"{panel['title']}: {expression}"
    for rule in prometheus.rules():
        assert rule["health"] == "ok", rule
        assert rule["state"] != "firing" or rule["labels"]["severity"] == "warning", rule
