"""The Secrets of a cluster are made here, once, and can be read by nobody else."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from auth_service.tokens.keys import load_keys
from deploy import ROOT, k8s_secrets
from tests.deploy.manifests import OVERLAYS


def make(folder: Path, overlay: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.k8s_secrets", overlay],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def made(folder: Path, overlay: str) -> dict[str, dict[str, str]]:
    text = (folder / k8s_secrets.FOLDER / f"{overlay}.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return {
        item["metadata"]["name"]: {
            key: base64.b64decode(value).decode() for key, value in item["data"].items()
        }
        for item in found["items"]
    }


def test_every_overlay_has_its_secrets() -> None:
    assert set(k8s_secrets.OVERLAYS) == {folder.name for folder in OVERLAYS}


@pytest.mark.parametrize("overlay", k8s_secrets.OVERLAYS)
def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path, overlay: str) -> None:
    assert make(tmp_path, overlay).returncode == 0
    file = tmp_path / k8s_secrets.FOLDER / f"{overlay}.json"
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    again = make(tmp_path, overlay)
    assert again.returncode == 1
    assert "left as it is" in again.stderr
    assert file.read_bytes() == before
    for item in json.loads(before)["items"]:
        kubernetes_validate.validate(item, kubernetes_validate.latest_version(), strict=True)


def test_the_signing_key_is_one_that_the_service_accepts(tmp_path: Path) -> None:
    make(tmp_path, "local")
    ((name, pem),) = made(tmp_path, "local")["auth-signing-keys"].items()
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    (keys / name).write_text(pem)
    (keys / name).chmod(0o400)
    assert len(load_keys(keys).jwks.keys) == 1


def test_no_two_passwords_are_the_same(tmp_path: Path) -> None:
    make(tmp_path, "production")
    found = made(tmp_path, "production")
    passwords = {data["password"] for data in found.values() if "password" in data}
    assert len(passwords) == 3
    assert all(len(password) >= 32 for password in passwords)
