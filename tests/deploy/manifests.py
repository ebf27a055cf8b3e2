"""The Kubernetes manifests as data, and the settings that they give."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from deploy import ROOT
from tests.deploy.kustomization import Manifest, build, described

K8S = ROOT / "deploy" / "k8s"
KUSTOMIZATIONS = sorted(path.parent for path in K8S.rglob("kustomization.yaml"))
OVERLAYS = [folder for folder in KUSTOMIZATIONS if folder.parent.name == "overlays"]
COMPONENTS = [folder for folder in KUSTOMIZATIONS if folder.parent.name == "components"]


class Workload(NamedTuple):
    """A Deployment or a StatefulSet and its one container."""

    name: str
    manifest: Manifest
    pod: dict[str, Any]
    container: dict[str, Any]


def manifest_files(folder: Path) -> Iterator[Path]:
    """Every file that the kustomization names, those of the ones it builds on included."""
    here = described(folder)
    for resource in (*here.get("resources", []), *here.get("components", [])):
        path = (folder / resource).resolve()
        if path.is_dir():
            yield from manifest_files(path)
        else:
            yield path


def of_kind(folder: Path, *kinds: str) -> list[Manifest]:
    return [manifest for manifest in build(folder) if manifest["kind"] in kinds]


def named(folder: Path, kind: str, name: str) -> Manifest:
    (found,) = (each for each in of_kind(folder, kind) if each["metadata"]["name"] == name)
    return found


def workloads(folder: Path) -> list[Workload]:
    found = []
    for manifest in of_kind(folder, "Deployment", "StatefulSet"):
        pod = manifest["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        found.append(Workload(manifest["metadata"]["name"], manifest, pod, container))
    return found


def workload(folder: Path, name: str) -> Workload:
    (found,) = (each for each in workloads(folder) if each.name == name)
    return found


def config_maps(folder: Path) -> dict[str, dict[str, str]]:
    return {each["metadata"]["name"]: each["data"] for each in of_kind(folder, "ConfigMap")}


def environment(folder: Path, name: str, secrets: dict[str, dict[str, str]]) -> dict[str, str]:
    """What the container of workload `name` has in its environment; `secrets` by their names."""
    container = workload(folder, name).container
    maps = config_maps(folder)
    values: dict[str, str] = {}
    for source in container.get("envFrom", []):
        values |= maps[source["configMapRef"]["name"]]
    for entry in container.get("env", []):
        if "value" in entry:
            values[entry["name"]] = entry["value"]
        elif "secretKeyRef" in entry["valueFrom"]:
            reference = entry["valueFrom"]["secretKeyRef"]
            values[entry["name"]] = secrets[reference["name"]][reference["key"]]
        else:
            values[entry["name"]] = "a-pod-name"
    return values


def secrets_made_by_the_cluster(folder: Path) -> set[str]:
    """Those that cert-manager keeps."""
    return {each["spec"]["secretName"] for each in of_kind(folder, "Certificate")}


def secrets_needed(folder: Path) -> dict[str, set[str]]:
    """Every Secret that the manifests refer to, with the keys that they read; none is in the
    repository."""
    needed: dict[str, set[str]] = {}
    for each in workloads(folder):
        for entry in each.container.get("env", []):
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                needed.setdefault(reference["name"], set()).add(reference["key"])
        for volume in each.pod.get("volumes", []):
            if "secret" in volume:
                keys = {item["key"] for item in volume["secret"].get("items", [])}
                needed.setdefault(volume["secret"]["secretName"], set()).update(keys)
    for database in of_kind(folder, "MongoDBCommunity"):
        tls = database["spec"]["security"]["tls"]
        for name in ("certificateKeySecretRef", "caCertificateSecretRef"):
            needed.setdefault(tls[name]["name"], set())
        for user in database["spec"]["users"]:
            needed.setdefault(user["passwordSecretRef"]["name"], set()).add("password")
    for broker in of_kind(folder, "RabbitmqCluster"):
        needed.setdefault(broker["spec"]["tls"]["secretName"], set())
        user = broker["spec"]["secretBackend"]["externalSecret"]["name"]
        needed.setdefault(user, set()).update({"username", "password", "default_user.conf"})
    return needed
