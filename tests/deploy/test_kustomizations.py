"""The kustomizations are complete, valid for Kubernetes, and can be built."""

import json
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.deploy.manifests import (
    K8S,
    KUSTOMIZATIONS,
    OVERLAYS,
    Manifest,
    kustomization,
    manifest_files,
    manifests,
)

OLDEST = "1.30"
"""The oldest Kubernetes that the manifests are for: the first to know a preStop that sleeps."""


def label(folder: Path) -> str:
    return str(folder.relative_to(K8S))


def identity(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=label)
def test_what_a_kustomization_names_exists_and_parses(folder: Path) -> None:
    described = kustomization(folder)
    assert described["kind"] == "Kustomization"
    for resource in described["resources"]:
        assert (folder / resource).exists(), resource
    assert manifests(folder)


def test_no_manifest_lies_about_unused() -> None:
    used = {file for folder in KUSTOMIZATIONS for file in manifest_files(folder)}
    written = {file for file in K8S.rglob("*.yaml") if file.name != "kustomization.yaml"}
    assert written == used


@pytest.mark.parametrize("folder", OVERLAYS, ids=label)
def test_no_two_manifests_are_the_same_thing(folder: Path) -> None:
    names = [identity(manifest) for manifest in manifests(folder)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("folder", OVERLAYS, ids=label)
def test_every_manifest_is_valid(folder: Path, version: str) -> None:
    for manifest in manifests(folder):
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("folder", OVERLAYS, ids=label)
def test_an_overlay_builds_into_valid_manifests(folder: Path) -> None:
    built = subprocess.run(
        [*_builder(), str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert built.returncode == 0, built.stderr
    results = list(yaml.safe_load_all(built.stdout))
    for manifest in results:
        kubernetes_validate.validate(manifest, OLDEST, strict=True)
    kept = {identity(manifest) for manifest in results if manifest["kind"] != "ConfigMap"}
    assert kept == {identity(manifest) for manifest in manifests(folder)}


def _builder() -> list[str]:
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    if shutil.which("kubectl") is None:
        pytest.skip("neither kustomize nor kubectl is on PATH")
    shown = subprocess.run(
        ["kubectl", "version", "--client", "--output=json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    version = json.loads(shown.stdout).get("kustomizeVersion", "unknown")
    if not version.startswith("v5."):
        pytest.skip(f"kubectl has kustomize {version}, and version 5 is needed")
    return ["kubectl", "kustomize"]
