"""Builds the kustomizations of deploy/k8s without kustomize, so that their tests need no tool.

It knows what those use and nothing else; a test holds it against the real one. Generated ConfigMaps
keep their plain names: the real ones end in a digest of their content.
"""

import copy
import functools
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

CLUSTER_WIDE = {"Namespace"}
KNOWN = {
    "apiVersion",
    "kind",
    "namespace",
    "resources",
    "components",
    "labels",
    "images",
    "configMapGenerator",
    "patches",
}


@functools.cache
def build(folder: Path) -> tuple[Manifest, ...]:
    """Every manifest of the kustomization. The result is shared: do not change it."""
    return tuple(_accumulate(folder.resolve(), []))


def described(folder: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text())
    unknown = set(parsed) - KNOWN
    assert not unknown, f"{folder}: teach this builder {unknown}"
    return parsed


def _accumulate(folder: Path, manifests: list[Manifest]) -> list[Manifest]:
    """`manifests`, which a component gets from whoever includes it, with this kustomization's."""
    here = described(folder)
    for resource in here.get("resources", []):
        path = (folder / resource).resolve()
        if path.is_dir():
            manifests += copy.deepcopy(build(path))
        else:
            manifests += yaml.safe_load_all(path.read_text())
    for component in here.get("components", []):
        manifests = _accumulate((folder / component).resolve(), manifests)
    for generator in here.get("configMapGenerator", []):
        _generate(manifests, generator, folder)
    for patch in here.get("patches", []):
        _patch(manifests, patch)
    for labels in here.get("labels", []):
        for manifest in manifests:
            _label(manifest, labels["pairs"], labels.get("includeTemplates", False))
    for manifest in manifests:
        if "namespace" in here and manifest["kind"] not in CLUSTER_WIDE:
            manifest["metadata"]["namespace"] = here["namespace"]
        for image in here.get("images", []):
            _rename(manifest, image)
    return manifests


def _generate(manifests: list[Manifest], generator: dict[str, Any], folder: Path) -> None:
    data = dict(literal.split("=", 1) for literal in generator.get("literals", []))
    for file in generator.get("files", []):
        name, path = file.split("=", 1)
        data[name] = (folder / path).read_text()
    if generator.get("behavior") == "merge":
        (found,) = (
            each
            for each in manifests
            if each["kind"] == "ConfigMap" and each["metadata"]["name"] == generator["name"]
        )
        found["data"] |= data
        return
    metadata = {"name": generator["name"]}
    labels = generator.get("options", {}).get("labels")
    manifests.append(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata | ({"labels": dict(labels)} if labels else {}),
            "data": data,
        }
    )


def _patch(manifests: list[Manifest], patch: dict[str, Any]) -> None:
    """A JSON patch (RFC 6902) on the one manifest that it names."""
    target = patch["target"]
    (manifest,) = (
        each
        for each in manifests
        if each["kind"] == target["kind"] and each["metadata"]["name"] == target["name"]
    )
    for step in yaml.safe_load(patch["patch"]):
        *way, last = step["path"].lstrip("/").split("/")
        place: Any = manifest
        for part in way:
            place = place[int(part) if isinstance(place, list) else part]
        key: Any = int(last) if isinstance(place, list) and last != "-" else last
        match step["op"]:
            case "test":
                assert place[key] == step["value"], step
            case "replace":
                assert place[key] is not None
                place[key] = step["value"]
            case "add" if key == "-":
                place.append(step["value"])
            case "add" if isinstance(place, dict):
                place[key] = step["value"]
            case _:
                raise AssertionError(f"teach this builder {step}")


def _label(manifest: Manifest, pairs: dict[str, str], templates: bool) -> None:
    places = [manifest["metadata"]]
    spec = manifest.get("spec", {})
    if templates and manifest["kind"] in ("Deployment", "StatefulSet"):
        places.append(spec["template"]["metadata"])
    for place in places:
        place.setdefault("labels", {}).update(pairs)


def _rename(manifest: Manifest, image: dict[str, str]) -> None:
    if manifest["kind"] not in ("Deployment", "StatefulSet"):
        return
    for container in manifest["spec"]["template"]["spec"]["containers"]:
        if container["image"].partition(":")[0] == image["name"]:
            name = image.get("newName", image["name"])
            container["image"] = f"{name}:{image['newTag']}"
