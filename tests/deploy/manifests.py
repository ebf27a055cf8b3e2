"""The Kubernetes manifests as data, read without any tool, and the settings that they give."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "deploy" / "k8s"
KUSTOMIZATIONS = sorted(path.parent for path in K8S.rglob("kustomization.yaml"))
OVERLAYS = [folder for folder in KUSTOMIZATIONS if folder.parent.name == "overlays"]

Manifest = dict[str, Any]


class Workload(NamedTuple):
    """A Deployment or a StatefulSet and its one container."""

    name: str
    manifest: Manifest
    pod: dict[str, Any]
    container: dict[str, Any]


def kustomization(folder: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return parsed


def manifest_files(folder: Path) -> Iterator[Path]:
    """Every file that the kustomization names, those of the ones it builds on included."""
    for resource in kustomization(folder).get("resources", []):
        path = (folder / resource).resolve()
        if path.is_dir():
            yield from manifest_files(path)
        else:
            yield path


def manifests(folder: Path) -> list[Manifest]:
    """Every manifest of the kustomization as it is written: nothing merged, renamed or labelled."""
    return [
        manifest
        for file in manifest_files(folder)
        for manifest in yaml.safe_load_all(file.read_text())
    ]


def workloads(folder: Path) -> list[Workload]:
    found = []
    for manifest in manifests(folder):
        if manifest["kind"] in ("Deployment", "StatefulSet"):
            pod = manifest["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            found.append(Workload(manifest["metadata"]["name"], manifest, pod, container))
    return found


def workload(folder: Path, name: str) -> Workload:
    (found,) = (each for each in workloads(folder) if each.name == name)
    return found


def config_maps(folder: Path) -> dict[str, dict[str, str]]:
    """The generated ConfigMaps, those of the kustomizations below merged in."""
    found: dict[str, dict[str, str]] = {}
    here = kustomization(folder)
    for resource in here.get("resources", []):
        if (folder / resource).is_dir():
            for name, values in config_maps((folder / resource).resolve()).items():
                found.setdefault(name, {}).update(values)
    for generator in here.get("configMapGenerator", []):
        pairs = (literal.split("=", 1) for literal in generator["literals"])
        found.setdefault(generator["name"], {}).update(dict(pairs))
    return found


def environment(folder: Path, name: str, secrets: dict[str, str]) -> dict[str, str]:
    """What the container of workload `name` has in its environment; `secrets` stand in by key."""
    container = workload(folder, name).container
    maps = config_maps(folder)
    values: dict[str, str] = {}
    for source in container.get("envFrom", []):
        values |= maps[source["configMapRef"]["name"]]
    for entry in container.get("env", []):
        if "value" in entry:
            values[entry["name"]] = entry["value"]
        elif "secretKeyRef" in entry["valueFrom"]:
            values[entry["name"]] = secrets[entry["valueFrom"]["secretKeyRef"]["key"]]
        else:
            values[entry["name"]] = "a-pod-name"
    return values


def secret_names(folder: Path) -> set[str]:
    """Every Secret that the manifests refer to; none is in the repository."""
    names = set()
    for each in workloads(folder):
        for entry in each.container.get("env", []):
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                names.add(reference["name"])
        for volume in each.pod.get("volumes", []):
            if "secret" in volume:
                names.add(volume["secret"]["secretName"])
    return names
