"""The kustomizations are complete, valid for Kubernetes, and can be built."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import msgspec
import pytest
import yaml

from tests.deploy.custom_resources import SPECS, Metadata
from tests.deploy.kustomization import Manifest, build, described
from tests.deploy.manifests import COMPONENTS, K8S, KUSTOMIZATIONS, OVERLAYS, manifest_files

OLDEST = "1.30"
"""The oldest Kubernetes that the manifests are for: the first to know a preStop that sleeps."""


def label(folder: Path) -> str:
    return str(folder.relative_to(K8S))


def identity(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def with_component(component: Path, folder: Path) -> Path:
    """A kustomization in `folder` of the base and this component (and the one that it needs)."""
    needed = [component.parent / "gateway"] if component.name == "shard-affinity" else []
    text = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "messaging",
        "resources": [os.path.relpath(K8S / "base", folder.resolve())],
        "components": [os.path.relpath(one, folder.resolve()) for one in (*needed, component)],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(text))
    return folder


@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=label)
def test_what_a_kustomization_names_exists_and_parses(folder: Path) -> None:
    here = described(folder)
    assert here["kind"] == ("Component" if folder in COMPONENTS else "Kustomization")
    for resource in (*here.get("resources", []), *here.get("components", [])):
        assert (folder / resource).exists(), resource


def test_no_manifest_lies_about_unused() -> None:
    used = {file for folder in KUSTOMIZATIONS for file in manifest_files(folder)}
    written = {file for file in K8S.rglob("*.yaml") if file.name != "kustomization.yaml"}
    assert written == used


@pytest.mark.parametrize("folder", OVERLAYS, ids=label)
def test_no_two_manifests_are_the_same_thing(folder: Path) -> None:
    names = [identity(manifest) for manifest in build(folder)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("folder", OVERLAYS, ids=label)
def test_every_manifest_is_valid(folder: Path, version: str) -> None:
    for manifest in build(folder):
        validate(manifest, version)


@pytest.mark.parametrize("component", COMPONENTS, ids=label)
def test_every_component_is_valid_on_the_base_alone(component: Path, tmp_path: Path) -> None:
    for manifest in build(with_component(component, tmp_path)):
        validate(manifest, OLDEST)


@pytest.mark.parametrize("folder", OVERLAYS, ids=label)
def test_kustomize_builds_what_these_tests_read(folder: Path) -> None:
    assert plain(kustomized(folder)) == plain(list(build(folder)))


@pytest.mark.parametrize("component", COMPONENTS, ids=label)
def test_kustomize_builds_every_component_on_the_base(component: Path, tmp_path: Path) -> None:
    folder = with_component(component, tmp_path)
    assert plain(kustomized(folder)) == plain(list(build(folder)))


def validate(manifest: Manifest, version: str) -> None:
    spec = SPECS.get((manifest["apiVersion"], manifest["kind"]))
    if spec is None:
        kubernetes_validate.validate(manifest, version, strict=True)
        return
    assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
    msgspec.convert({"labels": {}} | manifest["metadata"], Metadata)
    msgspec.convert(manifest["spec"], spec)


def plain(manifests: list[Manifest]) -> dict[tuple[str, str], Manifest]:
    """By kind and name, without the digests that kustomize adds to names of ConfigMaps."""
    digests = {
        manifest["metadata"]["name"]: re.sub(r"-[a-z0-9]{10}$", "", manifest["metadata"]["name"])
        for manifest in manifests
        if manifest["kind"] == "ConfigMap"
    }

    def stripped(value: Any) -> Any:
        match value:
            case dict():
                return {key: stripped(each) for key, each in value.items()}
            case list():
                return [stripped(each) for each in value]
            case str():
                return digests.get(value, value)
        return value

    return {identity(one): one for one in map(stripped, manifests)}


def kustomized(folder: Path) -> list[Manifest]:
    built = subprocess.run(
        [*_builder(), str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert built.returncode == 0, built.stderr
    return list(yaml.safe_load_all(built.stdout))


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
