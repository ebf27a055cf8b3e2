"""compose.yaml: the whole system, with settings that the services accept."""

import re
from typing import Any

import pytest
import yaml

from auth_service.settings import AuthSettings
from chat_service.settings import ChatSettings
from deploy import ROOT
from shared.settings import Settings, load, table
from tests.deploy.test_images import stages

COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS: dict[str, type[Settings]] = {
    "auth": AuthSettings,
    "chat-1": ChatSettings,
    "chat-2": ChatSettings,
}


def test_the_system_is_complete() -> None:
    assert set(SERVICES) == {"mongodb", "rabbitmq", "proxy", *OURS}


@pytest.mark.parametrize(("name", "kind"), OURS.items())
def test_every_variable_is_a_setting_and_every_required_one_is_given(
    name: str, kind: type[Settings]
) -> None:
    given = SERVICES[name]["environment"]
    assert set(given) <= {setting for setting, _, _ in table(kind)}
    settings = load(kind, given)
    assert len(settings.cors_origins) > 2
    (published,) = SERVICES[name]["ports"]
    assert published.endswith(f":{settings.port}")


def test_the_services_are_where_the_guide_says() -> None:
    published = [SERVICES[name]["ports"] for name in OURS]
    assert published == [["127.0.0.1:8001:8001"], ["127.0.0.1:8002:8002"], ["127.0.0.1:8003:8002"]]


def test_the_proxy_leads_to_every_instance() -> None:
    text = (ROOT / "deploy" / "proxy" / "haproxy.cfg").read_text()
    servers = re.findall(r"^    server (\S+) (\S+):(\d+)$", text, re.MULTILINE)
    assert {name for name, _, _ in servers} == set(OURS)
    for name, host, port in servers:
        assert host == name
        assert SERVICES[name]["environment"]["PORT"] == port
    (listening,) = re.findall(r"^    bind :(\d+)$", text, re.MULTILINE)
    assert SERVICES["proxy"]["ports"] == [f"127.0.0.1:{listening}:{listening}"]
    (mount,) = SERVICES["proxy"]["volumes"]
    assert (ROOT / "deploy" / mount.split(":")[0]).exists()


def test_nothing_is_open_to_other_machines() -> None:
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_the_chat_instances_are_two() -> None:
    first, second = (load(ChatSettings, SERVICES[name]["environment"]) for name in list(OURS)[1:])
    assert first.instance_id != second.instance_id
    assert first.amqp_url == second.amqp_url
    assert first.mongo_url == second.mongo_url


@pytest.mark.parametrize("name", OURS)
def test_our_images_are_built_from_the_repository_and_run_restricted(name: str) -> None:
    service = SERVICES[name]
    assert service["build"]["target"] in stages()
    build = (ROOT / "deploy" / service["build"]["context"]).resolve()
    assert build == ROOT
    assert (build / service["build"]["dockerfile"]).exists()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_whoever_is_waited_for_can_become_healthy() -> None:
    for service in SERVICES.values():
        for name, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in SERVICES[name]


def test_all_data_is_in_volumes_that_are_declared() -> None:
    mounted = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if not volume.startswith("./")
    }
    assert mounted == set(COMPOSE["volumes"]) == {"mongodb", "rabbitmq", "signing-keys"}
    keys = load(AuthSettings, SERVICES["auth"]["environment"])
    assert SERVICES["auth"]["volumes"] == [f"signing-keys:{keys.signing_keys}"]


def test_mongodb_becomes_a_replica_set_by_the_name_that_the_services_use() -> None:
    server = SERVICES["mongodb"]
    script = server["healthcheck"]["test"][-1]
    assert 'host: "mongodb:27017"' in script
    assert "NotYetInitialized" in script
    assert server["command"] == ["mongod", "--replSet", "rs0", "--bind_ip_all"]
    assert SERVICES["auth"]["environment"]["MONGO_URL"] == "mongodb://mongodb:27017/?replicaSet=rs0"
