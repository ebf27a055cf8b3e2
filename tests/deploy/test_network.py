"""Who may talk to whom: the network policies, evaluated, allow the flows of the architecture and no
others. And what the public reaches: every route of the services but those for operators."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from auth_service.app import create_app as create_auth
from auth_service.settings import AuthSettings
from auth_service.tokens.keys import load_keys
from chat_service.app import create_app as create_chat
from chat_service.settings import ChatSettings
from deploy import ROOT
from tests.deploy.kustomization import Manifest, build
from tests.deploy.manifests import K8S, OVERLAYS, named, of_kind

LOCAL, PRODUCTION = (K8S / "overlays" / name for name in ("local", "production"))
OPERATIONAL = {"/healthz", "/readyz", "/metrics"}
SHARED = {"/docs", "/docs/assets/{file}", "/openapi.json"}
"""Both services have them; the public sees the chat service's."""


class Peer(NamedTuple):
    """Somebody in the cluster, or `elsewhere` without a namespace."""

    namespace: str
    labels: dict[str, str]


def ours(name: str) -> Peer:
    return Peer("messaging", {"app.kubernetes.io/name": name})


PEERS = {
    "auth": ours("auth"),
    "chat": ours("chat"),
    "mongodb": ours("mongodb"),
    "rabbitmq": ours("rabbitmq"),
    "stranger": ours("stranger"),
    "dns": Peer("kube-system", {"k8s-app": "kube-dns"}),
    "proxy": Peer("envoy-gateway-system", {}),
    "prometheus": Peer("monitoring", {}),
    "outsider": Peer("default", {}),
    "elsewhere": Peer("", {}),
}
PORTS = (53, 443, 4369, 5671, 5672, 6443, 8001, 8002, 15691, 15692, 15672, 25672, 27017)

Flow = tuple[str, str, int]

SERVICES: set[Flow] = {
    ("proxy", "auth", 8001),
    ("proxy", "chat", 8002),
    ("prometheus", "auth", 8001),
    ("prometheus", "chat", 8002),
    ("chat", "auth", 8001),
    ("auth", "mongodb", 27017),
    ("chat", "mongodb", 27017),
    ("mongodb", "mongodb", 27017),
    ("rabbitmq", "rabbitmq", 4369),
    ("rabbitmq", "rabbitmq", 25672),
    *((name, "dns", 53) for name in ("auth", "chat", "mongodb", "rabbitmq", "stranger")),
}
# No policy can name where the cluster's API is: the agent beside mongod may go to its ports.
TO_THE_API: set[Flow] = {
    ("mongodb", name, port)
    for name in ("dns", "proxy", "prometheus", "outsider", "elsewhere")
    for port in (443, 6443)
}
FLOWS = {
    LOCAL: {
        *SERVICES,
        ("auth", "rabbitmq", 5672),
        ("chat", "rabbitmq", 5672),
        ("prometheus", "rabbitmq", 15692),
    },
    PRODUCTION: {
        *SERVICES,
        *TO_THE_API,
        ("auth", "rabbitmq", 5671),
        ("chat", "rabbitmq", 5671),
        ("prometheus", "rabbitmq", 15691),
    },
}


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_the_policies_allow_the_flows_of_the_architecture_and_no_others(folder: Path) -> None:
    policies = of_kind(folder, "NetworkPolicy")
    allowed = {
        (source, target, port)
        for source in PEERS
        for target in PEERS
        for port in PORTS
        if "messaging" in (PEERS[source].namespace, PEERS[target].namespace)
        and may(policies, PEERS[source], "Egress", PEERS[target], port)
        and may(policies, PEERS[target], "Ingress", PEERS[source], port)
    }
    assert allowed == FLOWS[folder]


def may(policies: list[Manifest], subject: Peer, direction: str, other: Peer, port: int) -> bool:
    """Whether `subject`, one end of a connection to `port`, may have `other` at its other end."""
    if subject.namespace != "messaging":
        return True  # the policies of other namespaces are not ours
    specs = [policy["spec"] for policy in policies]
    applying = [
        spec
        for spec in specs
        if direction in spec["policyTypes"] and selects(spec["podSelector"], subject.labels)
    ]
    assert applying, "without a policy everything would be allowed"
    key, side = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    return any(
        (side not in rule or any(matches(peer, other) for peer in rule[side]))
        and port in {each["port"] for each in rule["ports"]}
        for spec in applying
        for rule in spec.get(key, [])
    )


def matches(peer: dict[str, Any], other: Peer) -> bool:
    if "namespaceSelector" in peer:
        names = {"kubernetes.io/metadata.name": other.namespace}
        here = bool(other.namespace) and selects(peer["namespaceSelector"], names)
    else:
        here = other.namespace == "messaging"
    return here and ("podSelector" not in peer or selects(peer["podSelector"], other.labels))


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    wanted: dict[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


# The public.

Router = Callable[[str], str | None]
"""The service that a path leads to, None where it leads nowhere."""


def gateway() -> Router:
    rules = [
        (match["path"]["type"], match["path"]["value"], rule["backendRefs"][0]["name"])
        for route in of_kind(PRODUCTION, "HTTPRoute")
        for rule in route["spec"]["rules"]
        for match in rule.get("matches", [])
    ]
    return lambda path: routed(rules, path)


def ingress() -> Router:
    (found,) = (each for each in build_ingress() if each["kind"] == "Ingress")
    rules = [
        (path["pathType"], path["path"], path["backend"]["service"]["name"])
        for rule in found["spec"]["rules"]
        for path in rule["http"]["paths"]
    ]
    return lambda path: routed(rules, path)


def build_ingress() -> tuple[Manifest, ...]:
    return build(K8S / "components" / "ingress")


def haproxy() -> Router:
    """What the configuration says, as far as it says it in these words."""
    text = (ROOT / "deploy" / "proxy" / "haproxy.cfg").read_text()
    rules = [
        (kind, value, service)
        for service, kind, values in re.findall(r"acl of_(\w+) (path|path_beg) (.+)", text)
        for value in values.split()
    ]

    def route(path: str) -> str | None:
        found = {
            service
            for kind, value, service in rules
            if (path == value if kind == "path" else path.startswith(value))
        }
        return "auth" if "auth" in found else "chat" if found else None

    return route


def routed(rules: list[tuple[str, str, str]], path: str) -> str | None:
    for kind, value, service in rules:
        if path == value or (kind != "Exact" and path.startswith(f"{value}/")):
            return service
    return None


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Every path of each service."""
    keys = tmp_path_factory.mktemp("keys")
    mongo = "mongodb://unused"
    auth = AuthSettings(mongo_url=mongo, signing_keys=str(keys))
    chat = ChatSettings(mongo_url=mongo, amqp_url="memory://", auth_url="http://unused")
    apps = {"auth": create_auth(auth, keys=load_keys(keys)), "chat": create_chat(chat)}
    return {
        name: {resource.canonical for resource in app.router.resources()}
        for name, app in apps.items()
    }


@pytest.mark.parametrize("router", [gateway, ingress, haproxy])
def test_the_public_reaches_every_route_but_those_for_operators(
    router: Callable[[], Router], routes: dict[str, set[str]]
) -> None:
    leads_to = router()
    for service, paths in routes.items():
        for path in paths - OPERATIONAL - SHARED:
            assert leads_to(path) == service, path
    for path in OPERATIONAL:
        assert leads_to(path) is None, path
    for path in ("/", *SHARED, "/ws"):
        assert leads_to(path) == "chat", path
    assert leads_to("/nowhere") is None


def test_a_socket_has_no_time_limit_and_everything_else_has_one() -> None:
    limits = dict(_limits())
    assert limits.pop("/ws") == "0s"
    assert set(limits.values()) == {"30s"}


def _limits() -> Iterator[tuple[str, str]]:
    for route in of_kind(PRODUCTION, "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for match in rule.get("matches", []):
                yield match["path"]["value"], rule["timeouts"]["request"]


def test_the_gateway_leads_to_ports_that_the_services_have() -> None:
    for route in of_kind(PRODUCTION, "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for backend in rule.get("backendRefs", []):
                service = named(PRODUCTION, "Service", backend["name"])
                assert backend["port"] in {port["port"] for port in service["spec"]["ports"]}


def test_idle_sockets_outlive_the_proxies_patience() -> None:
    """The service pings before a proxy takes a quiet socket for a dead one."""
    pings = ChatSettings(
        mongo_url="mongodb://unused", amqp_url="memory://", auth_url="http://unused"
    ).heartbeat_seconds
    text = (ROOT / "deploy" / "proxy" / "haproxy.cfg").read_text()
    (tunnel,) = re.findall(r"timeout tunnel (\d+)s", text)
    (found,) = (each for each in build_ingress() if each["kind"] == "Ingress")
    patience = [int(tunnel)] + [
        int(str(value).rstrip("s")) for value in found["metadata"]["annotations"].values()
    ]
    assert all(seconds > 2 * pings for seconds in patience)
