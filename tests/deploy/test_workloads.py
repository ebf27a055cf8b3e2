"""What the manifests run fits the services: settings, probes, selectors, shutdown, privileges."""

from pathlib import Path
from typing import Any

import pytest

from auth_service.settings import AuthSettings
from chat_service.settings import ChatSettings
from shared.application import assemble
from shared.health import Health
from shared.metrics import HttpMetrics
from shared.settings import Settings, load, table
from tests.deploy.manifests import (
    K8S,
    OVERLAYS,
    ROOT,
    Workload,
    environment,
    manifests,
    secret_names,
    workload,
    workloads,
)

SECRETS = {"MONGO_URL": "mongodb://example/?replicaSet=rs0", "AMQP_URL": "amqp://example"}
SERVICES: dict[str, type[Settings]] = {"auth": AuthSettings, "chat": ChatSettings}
EVERY = [
    pytest.param(each, id=f"{folder.name}-{each.name}")
    for folder in OVERLAYS
    for each in workloads(folder)
]
OURS = [
    pytest.param(folder, name, id=f"{folder.name}-{name}")
    for folder in OVERLAYS
    for name in SERVICES
]


def paths() -> set[str]:
    """Those that both services answer."""
    app = assemble(
        Settings(mongo_url="mongodb://example", mongo_database="unused", port=0),
        title="",
        description="",
        endpoints=(),
        health=Health({}),
        metrics=HttpMetrics(),
    )
    return {resource.canonical for resource in app.router.resources()}


@pytest.mark.parametrize(("folder", "name"), OURS)
def test_every_variable_is_a_setting_and_every_required_one_is_given(
    folder: Path, name: str
) -> None:
    given = environment(folder, name, SECRETS)
    known = {setting for setting, _, _ in table(SERVICES[name])}
    assert set(given) <= known
    assert load(SERVICES[name], given).rate_limits is True


@pytest.mark.parametrize(("folder", "name"), OURS)
def test_the_probes_ask_what_the_service_answers(folder: Path, name: str) -> None:
    container = workload(folder, name).container
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": load(SERVICES[name], environment(folder, name, SECRETS)).port}
    asked = {
        kind: container[kind]["httpGet"]
        for kind in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert {kind: get["path"] for kind, get in asked.items()} == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert {get["path"] for get in asked.values()} <= paths()
    assert {get["port"] for get in asked.values()} <= set(ports)


@pytest.mark.parametrize(("folder", "name"), OURS)
def test_a_pod_has_the_time_that_its_shutdown_takes(folder: Path, name: str) -> None:
    settings = load(SERVICES[name], environment(folder, name, SECRETS))
    found = workload(folder, name)
    before = found.container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = settings.drain_seconds if isinstance(settings, ChatSettings) else 0.0
    longest = before + drain + 2 * settings.shutdown_seconds
    assert longest + 5 <= found.pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize(("folder", "name"), OURS)
def test_an_upgrade_never_takes_a_pod_before_its_successor_is_ready(
    folder: Path, name: str
) -> None:
    strategy = workload(folder, name).manifest["spec"]["strategy"]
    assert strategy["rollingUpdate"]["maxUnavailable"] == 0
    (budget,) = _named(folder, "PodDisruptionBudget", name)
    assert budget["spec"]["maxUnavailable"] == 1


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_every_selector_finds_its_pods(folder: Path) -> None:
    labels = {
        each.name: each.manifest["spec"]["template"]["metadata"]["labels"]
        for each in workloads(folder)
    }
    for manifest in manifests(folder):
        spec = manifest.get("spec", {})
        if manifest["kind"] == "Service":
            selector = spec["selector"]
        elif "matchLabels" in spec.get("selector", {}):
            selector = spec["selector"]["matchLabels"]
        else:
            continue
        found = [name for name, pod in labels.items() if selector.items() <= pod.items()]
        assert len(found) == 1, f"{manifest['kind']} {manifest['metadata']['name']}: {found}"
    for each in workloads(folder):
        for spread in each.pod.get("topologySpreadConstraints", []):
            assert spread["labelSelector"]["matchLabels"].items() <= labels[each.name].items()


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_every_service_leads_to_a_port_that_is_open(folder: Path) -> None:
    open_ports = {
        (each.name, port["name"]) for each in workloads(folder) for port in each.container["ports"]
    }
    for manifest in manifests(folder):
        if manifest["kind"] == "Service":
            pods = manifest["spec"]["selector"]["app.kubernetes.io/name"]
            for port in manifest["spec"]["ports"]:
                assert (pods, port["targetPort"]) in open_ports


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_the_chat_service_finds_the_auth_service(folder: Path) -> None:
    (auth,) = _named(folder, "Service", "auth")
    expected = f"http://auth:{auth['spec']['ports'][0]['port']}"
    assert environment(folder, "chat", SECRETS)["AUTH_URL"] == expected


def test_the_number_of_chat_pods_has_one_owner() -> None:
    (scaler,) = _named(K8S / "base", "HorizontalPodAutoscaler", "chat")
    assert scaler["spec"]["scaleTargetRef"]["name"] == "chat"
    assert scaler["spec"]["minReplicas"] >= 2
    assert "replicas" not in workload(K8S / "base", "chat").manifest["spec"]


@pytest.mark.parametrize("each", EVERY)
def test_every_pod_meets_the_restricted_profile(each: Workload) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    security = each.pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] > 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(each.pod)
    container = each.container["securityContext"]
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}
    allowed = {"configMap", "emptyDir", "secret", "persistentVolumeClaim"}
    for volume in each.pod.get("volumes", []):
        assert set(volume) - {"name"} <= allowed


@pytest.mark.parametrize("each", EVERY)
def test_every_pod_can_write_only_where_it_must_and_talks_to_no_cluster(each: Workload) -> None:
    assert each.container["securityContext"]["readOnlyRootFilesystem"] is True
    assert each.pod["automountServiceAccountToken"] is False
    assert each.pod["enableServiceLinks"] is False
    assert {"requests", "limits"} <= set(each.container["resources"])


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_the_signing_keys_are_readable_by_the_service_alone(folder: Path) -> None:
    auth = workload(folder, "auth")
    (volume,) = auth.pod["volumes"]
    assert volume["secret"] == {"secretName": "auth-signing-keys", "defaultMode": 0o400}
    assert auth.pod["securityContext"]["fsGroup"] == auth.pod["securityContext"]["runAsGroup"]
    (mount,) = auth.container["volumeMounts"]
    assert mount["readOnly"] is True
    settings = load(AuthSettings, environment(folder, "auth", SECRETS))
    assert mount["mountPath"] == settings.signing_keys


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_no_secret_is_in_the_repository_and_the_guide_makes_each(folder: Path) -> None:
    assert all(manifest["kind"] != "Secret" for manifest in manifests(folder))
    guide = (ROOT / "deploy" / "README.md").read_text()
    for name in secret_names(folder):
        assert f"create secret generic {name} " in guide, name


def _named(folder: Path, kind: str, name: str) -> list[dict[str, Any]]:
    return [
        manifest
        for manifest in manifests(folder)
        if manifest["kind"] == kind and manifest["metadata"]["name"] == name
    ]
