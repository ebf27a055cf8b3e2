"""What the manifests run fits the services: settings, probes, selectors, shutdown, privileges."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from auth_service.settings import AuthSettings
from chat_service.settings import ChatSettings
from deploy import k8s_secrets
from shared.http.application import assemble
from shared.http.health import Health
from shared.observability.metrics import HttpMetrics
from shared.settings import Settings, load, table
from tests.deploy.kustomization import build
from tests.deploy.manifests import (
    K8S,
    OVERLAYS,
    Workload,
    environment,
    named,
    of_kind,
    secrets_made_by_the_cluster,
    secrets_needed,
    workload,
    workloads,
)

PRODUCTION = K8S / "overlays" / "production"
SECRETS = {folder.name: k8s_secrets.OVERLAYS[folder.name]() for folder in OVERLAYS}
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
    given = given_to(folder, name)
    known = {setting for setting, _, _ in table(SERVICES[name])}
    assert set(given) <= known
    assert load(SERVICES[name], given).rate_limits is True


@pytest.mark.parametrize(("folder", "name"), OURS)
def test_the_probes_ask_what_the_service_answers(folder: Path, name: str) -> None:
    container = workload(folder, name).container
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": load(SERVICES[name], given_to(folder, name)).port}
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
    settings = load(SERVICES[name], given_to(folder, name))
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
    budget = named(folder, "PodDisruptionBudget", name)
    assert budget["spec"]["maxUnavailable"] == 1


@pytest.mark.parametrize(("folder", "name"), OURS)
def test_pods_are_spread_over_nodes_and_zones(folder: Path, name: str) -> None:
    spread = workload(folder, name).pod["topologySpreadConstraints"]
    assert {each["topologyKey"] for each in spread} == {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    }


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_every_selector_finds_its_pods(folder: Path) -> None:
    labels = {
        each.name: each.manifest["spec"]["template"]["metadata"]["labels"]
        for each in workloads(folder)
    }
    for manifest in build(folder):
        spec = manifest.get("spec", {})
        if manifest["kind"] == "Service":
            selector = spec["selector"]
        elif manifest["kind"] == "NetworkPolicy":
            continue
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
    for service in of_kind(folder, "Service"):
        pods = service["spec"]["selector"]["app.kubernetes.io/name"]
        for port in service["spec"]["ports"]:
            assert (pods, port["targetPort"]) in open_ports


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_the_chat_service_finds_the_auth_service(folder: Path) -> None:
    auth = named(folder, "Service", "auth")
    expected = f"http://auth:{auth['spec']['ports'][0]['port']}"
    assert given_to(folder, "chat")["AUTH_URL"] == expected


@pytest.mark.parametrize("name", SERVICES)
def test_the_number_of_pods_has_one_owner(name: str) -> None:
    scaler = named(K8S / "base", "HorizontalPodAutoscaler", name)["spec"]
    assert scaler["scaleTargetRef"]["name"] == name
    assert scaler["minReplicas"] >= 2
    assert "replicas" not in workload(K8S / "base", name).manifest["spec"]
    # Sockets do not move by themselves, so what is there stays for a while.
    assert scaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 600


def test_a_pod_accepts_more_sockets_than_the_autoscaler_aims_at() -> None:
    metrics = named(PRODUCTION, "HorizontalPodAutoscaler", "chat")["spec"]["metrics"]
    (sockets,) = (each["pods"] for each in metrics if each["type"] == "Pods")
    limit = load(ChatSettings, given_to(PRODUCTION, "chat")).max_connections
    assert int(sockets["target"]["averageValue"]) * 2 <= limit


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


@pytest.mark.parametrize("kind", ["MongoDBCommunity", "RabbitmqCluster"])
def test_what_operators_run_meets_the_restricted_profile_too(kind: str) -> None:
    (resource,) = of_kind(PRODUCTION, kind)
    spec = resource["spec"].get("override", resource["spec"])
    pod = spec["statefulSet"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*pod["initContainers"], *pod["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_production_has_three_of_everything_that_keeps_data_and_encrypts_the_way_there() -> None:
    (database,) = of_kind(PRODUCTION, "MongoDBCommunity")
    (broker,) = of_kind(PRODUCTION, "RabbitmqCluster")
    assert database["spec"]["members"] == broker["spec"]["replicas"] == 3
    for name in SERVICES:
        given = given_to(PRODUCTION, name)
        mongo = urlsplit(given["MONGO_URL"])
        options = parse_qs(mongo.query)
        assert options["tls"] == ["true"]
        assert options["replicaSet"] == [database["metadata"]["name"]]
        user, _, hosts = mongo.netloc.partition("@")
        assert len(hosts.split(",")) == 3
        assert user.split(":")[0] in {each["name"] for each in database["spec"]["users"]}
        mounts = workload(PRODUCTION, name).container["volumeMounts"]
        (authority,) = (each for each in mounts if each["name"] == "certificate-authority")
        assert options["tlsCAFile"] == [f"{authority['mountPath']}/ca.crt"]
        amqp = urlsplit(given["AMQP_URL"])
        assert (amqp.scheme, amqp.port) == ("amqps", 5671)
        assert parse_qs(amqp.query)["cafile"] == options["tlsCAFile"]


@pytest.mark.parametrize(("folder", "name"), OURS)
def test_every_instance_hears_of_revoked_sessions(folder: Path, name: str) -> None:
    assert given_to(folder, name)["AMQP_URL"].startswith("amqp")


def test_behind_the_gateway_the_services_know_who_the_client_is() -> None:
    for name in SERVICES:
        assert load(SERVICES[name], given_to(PRODUCTION, name)).trusted_proxies


def test_certificates_are_for_the_names_that_the_services_use() -> None:
    names = {
        each["metadata"]["name"]: each["spec"].get("dnsNames", [])
        for each in of_kind(PRODUCTION, "Certificate")
    }
    assert urlsplit(given_to(PRODUCTION, "chat")["AMQP_URL"]).hostname in names["rabbitmq"]
    hosts = urlsplit(given_to(PRODUCTION, "chat")["MONGO_URL"]).netloc.partition("@")[2]
    for host in hosts.split(","):
        assert f"*.{host.partition('.')[2].removesuffix(':27017')}" in names["mongodb"]


def test_a_user_of_the_database_can_use_its_own_service_s_database_only() -> None:
    (database,) = of_kind(PRODUCTION, "MongoDBCommunity")
    for user in database["spec"]["users"]:
        service = user["name"].removeprefix("messaging-")
        settings = load(SERVICES[service], given_to(PRODUCTION, service))
        assert user["roles"] == [{"name": "readWrite", "db": settings.mongo_database}]
        assert settings.mongo_url.startswith(f"mongodb://{user['name']}:")


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_the_signing_keys_are_readable_by_the_service_alone(folder: Path) -> None:
    auth = workload(folder, "auth")
    (volume,) = (each for each in auth.pod["volumes"] if each["name"] == "signing-keys")
    assert volume["secret"] == {"secretName": "auth-signing-keys", "defaultMode": 0o400}
    assert auth.pod["securityContext"]["fsGroup"] == auth.pod["securityContext"]["runAsGroup"]
    (mount,) = (each for each in auth.container["volumeMounts"] if each["name"] == "signing-keys")
    assert mount["readOnly"] is True
    settings = load(AuthSettings, given_to(folder, "auth"))
    assert mount["mountPath"] == settings.signing_keys


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_no_secret_is_in_the_repository_and_each_is_made(folder: Path) -> None:
    assert not of_kind(folder, "Secret")
    made = SECRETS[folder.name]
    by_the_cluster = secrets_made_by_the_cluster(folder)
    needed = secrets_needed(folder)
    assert set(needed) == set(made) | (by_the_cluster & set(needed))
    for name, keys in needed.items():
        if name in made:
            assert keys <= set(made[name])


def given_to(folder: Path, name: str) -> dict[str, str]:
    """The environment of a service in an overlay, with Secrets as they are made."""
    return environment(folder, name, SECRETS[folder.name])
