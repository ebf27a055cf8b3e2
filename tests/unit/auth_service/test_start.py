"""What stops the auth service's start, and what its README says of its settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from auth_service.settings import AuthSettings
from deploy import ROOT
from shared.settings import table


def start(**settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "auth_service"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_missing_and_invalid_settings_are_all_named() -> None:
    ended = start(BCRYPT_COST="3")
    assert ended.returncode == 2
    for name in ("MONGO_URL is missing", "SIGNING_KEYS is missing", "BCRYPT_COST is invalid"):
        assert name in ended.stderr


def test_bad_key_folder_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("nonsense")
    (tmp_path / "key.pem").chmod(0o600)
    ended = start(MONGO_URL="mongodb://127.0.0.1:1/", SIGNING_KEYS=str(tmp_path))
    assert ended.returncode == 2
    assert f"{tmp_path}/key.pem is not an unencrypted Ed25519 private key" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("name", "default"), [(name, default) for name, _, default in table(AuthSettings)]
)
def test_readme_lists_each_setting_with_its_default(name: str, default: str) -> None:
    readme = (ROOT / "auth_service" / "README.md").read_text()
    assert f"| `{name}` | {default} |" in readme
