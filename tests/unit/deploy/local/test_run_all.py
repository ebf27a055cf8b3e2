"""What run-all decides before it starts anything."""

import socket
from pathlib import Path

import pytest

from deploy.local import services
from deploy.local.backing.backing_services import EMBEDDED_URL, choose_rabbitmq, without_password
from deploy.local.process.owned import ServerError
from deploy.local.process.ports import free_port
from deploy.local.run_all import require_free_ports

MONGO = "mongodb://127.0.0.1:27117/?replicaSet=rs0"
AMQP = "amqp://guest:guest@127.0.0.1:5772/"


def plan(environ: dict[str, str], instances: int = 2) -> list[services.Service]:
    ports = services.ports_from(environ)
    return services.plan(environ, ports, instances, MONGO, AMQP, keys=Path("keys"))


def test_chat_instances_differ_in_name_and_port_only() -> None:
    _, first, second = plan({})
    differing = {
        name for name in first.environment if first.environment[name] != second.environment[name]
    }
    assert differing == {"PORT", "INSTANCE_ID"}
    assert (first.name, first.port) == ("chat-1", 8002)
    assert (second.name, second.port) == ("chat-2", 8003)


def test_services_have_a_database_each_and_chat_knows_where_auth_is() -> None:
    auth, chat, _ = plan({"AUTH_PORT": "9001"})
    assert auth.environment["MONGO_DATABASE"] == "messaging_auth"
    assert auth.environment["SIGNING_KEYS"] == "keys"
    assert chat.environment["MONGO_DATABASE"] == "messaging_chat"
    assert chat.environment["AUTH_URL"] == auth.address == "http://127.0.0.1:9001"


def test_every_instance_is_an_allowed_origin_unless_origins_are_given() -> None:
    auth, *chats = plan({}, instances=3)
    assert {chat.address for chat in chats} <= set(auth.environment["CORS_ORIGINS"].split(","))
    auth, *_ = plan({"CORS_ORIGINS": "https://chat.example"})
    assert auth.environment["CORS_ORIGINS"] == "https://chat.example"


def test_a_page_finds_the_auth_service_unless_told_otherwise() -> None:
    _, chat, _ = plan({"AUTH_PORT": "9001"})
    assert chat.environment["PUBLIC_AUTH_URL"] == "http://localhost:9001"
    _, chat, _ = plan({"PUBLIC_AUTH_URL": "https://auth.example"})
    assert chat.environment["PUBLIC_AUTH_URL"] == "https://auth.example"


def test_what_the_user_sets_reaches_the_services_except_where_they_listen() -> None:
    auth, *_ = plan({"LOG_FORMAT": "json", "RATE_LIMITS": "off", "HOST": "desktop", "PORT": "1"})
    assert auth.environment["LOG_FORMAT"] == "json"
    assert auth.environment["RATE_LIMITS"] == "off"
    assert auth.environment["HOST"] == "127.0.0.1"
    assert auth.environment["PORT"] == "8001"


@pytest.mark.parametrize("text", ["0", "65536", "-1", "eighty", "8001.0", "٣"])
def test_port_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(ServerError, match="CHAT_PORT"):
        services.ports_from({"CHAT_PORT": text})


def test_every_port_in_the_way_is_named_at_once() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        taken = [listener.getsockname()[1] for listener in (one, other)]
        with pytest.raises(ServerError) as raised:
            require_free_ports(
                [(taken[0], "chat-1", "CHAT_PORT"), (taken[1], "MongoDB", "MONGO_PORT")]
            )
    assert f"Port {taken[0]}, which chat-1 needs" in str(raised.value)
    assert f"Port {taken[1]}, which MongoDB needs" in str(raised.value)


def test_one_port_for_two_services_is_refused() -> None:
    port = free_port()
    with pytest.raises(ServerError, match=r"chat-1 \(CHAT_PORT\)"):
        require_free_ports([(port, "the auth service", "AUTH_PORT"), (port, "chat-1", "CHAT_PORT")])


def test_embedded_broker_is_used_when_asked_for(tmp_path: Path) -> None:
    chosen = choose_rabbitmq({"AMQP_URL": EMBEDDED_URL}, tmp_path, free_port())
    assert chosen.url == EMBEDDED_URL


def test_password_of_an_address_is_not_shown() -> None:
    assert without_password("mongodb://chat:s3cret@db:27017/x") == "mongodb://chat:…@db:27017/x"
    assert without_password(MONGO) == MONGO
