"""The alert rules are valid, fire when they should, and are explained."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import ROOT
from tests.deploy.manifests import K8S

RULES: dict[str, Any] = yaml.safe_load(
    (K8S / "components" / "monitoring" / "prometheusrule.yaml").read_text()
)["spec"]
ALERTS = [rule["alert"] for group in RULES["groups"] for rule in group["rules"]]
CASES = ROOT / "tests" / "deploy" / "alerts.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the rules as Prometheus reads them, and the cases."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(RULES))
    shutil.copy(CASES, tmp_path)
    return tmp_path


def promtool(folder: Path, *arguments: str) -> str:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run(
        ["promtool", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_accepts_the_rules(folder: Path) -> None:
    assert f"{len(ALERTS)} rules found" in promtool(folder, "check", "rules", "rules.yaml")


def test_each_alert_fires_when_it_should_and_not_before(folder: Path) -> None:
    promtool(folder, "test", "rules", CASES.name)


def test_each_alert_has_a_case_in_which_it_fires() -> None:
    fired = {
        case["alertname"]
        for test in yaml.safe_load(CASES.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
        if case.get("exp_alerts")
    }
    assert fired == set(ALERTS)


def test_the_guide_says_what_each_alert_means() -> None:
    guide = (ROOT / "deploy" / "README.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE) == ALERTS
