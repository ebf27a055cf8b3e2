"""Makes the Secrets of an overlay on this machine, for `kubectl apply`: they are in no repository.

`python -m deploy.k8s_secrets local|production` writes .run/k8s-secrets/<overlay>.json, once: other
passwords would no longer be those that a running MongoDB and RabbitMQ have.
"""

import argparse
import base64
import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

FOLDER = Path(".run/k8s-secrets")
NAMESPACE = "messaging"
AUTHORITY = "/var/run/authority/ca.crt"
"""Where the production overlay mounts the certificate of its authority."""
MEMBERS = ",".join(f"mongodb-{n}.mongodb-svc.{NAMESPACE}.svc.cluster.local:27017" for n in range(3))

Secret = dict[str, str]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make k8s-secrets", description=__doc__)
    parser.add_argument("overlay", choices=OVERLAYS)
    overlay = parser.parse_args().overlay
    file = FOLDER / f"{overlay}.json"
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(f"{file} exists, and is left as it is. Remove it for new ones.", file=sys.stderr)
        return 1
    with open(descriptor, "wb") as out:
        out.write(msgspec.json.format(manifest(OVERLAYS[overlay]())) + b"\n")
    print(f"Wrote {file}. It holds secrets: apply it, then keep it safe or remove it.")
    print(f"kubectl apply --filename {file}")
    return 0


def local() -> dict[str, Secret]:
    password = _password()
    connections = {
        "MONGO_URL": "mongodb://mongodb-0.mongodb:27017/?replicaSet=rs0",
        "AMQP_URL": f"amqp://messaging:{password}@rabbitmq:5672/",
    }
    return {
        "auth-signing-keys": _signing_key(),
        "auth-connections": connections,
        "chat-connections": connections,
        "rabbitmq-user": {"username": "messaging", "password": password},
    }


def production() -> dict[str, Secret]:
    broker, auth, chat = _password(), _password(), _password()
    host = f"rabbitmq.{NAMESPACE}.svc"
    amqp = f"amqps://messaging:{broker}@{host}:5671/?cafile={AUTHORITY}"
    return {
        "auth-signing-keys": _signing_key(),
        "auth-connections": {"MONGO_URL": _mongo("messaging-auth", auth), "AMQP_URL": amqp},
        "chat-connections": {"MONGO_URL": _mongo("messaging-chat", chat), "AMQP_URL": amqp},
        "mongodb-auth-password": {"password": auth},
        "mongodb-chat-password": {"password": chat},
        # The keys that the RabbitMQ Cluster Operator reads.
        "rabbitmq-user": {
            "username": "messaging",
            "password": broker,
            "default_user.conf": f"default_user = messaging\ndefault_pass = {broker}\n",
            "host": host,
            "port": "5671",
            "provider": "rabbitmq",
            "type": "rabbitmq",
        },
    }


OVERLAYS = {"local": local, "production": production}


def manifest(made: dict[str, Secret]) -> bytes:
    """A Kubernetes List of Secrets, as JSON."""
    items = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
        }
        for name, data in made.items()
    ]
    return msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": items})


def _signing_key() -> Secret:
    """Named after the time from which it signs."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return {f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.pem": pem.decode()}


def _mongo(user: str, password: str) -> str:
    options = f"replicaSet=mongodb&authSource=admin&tls=true&tlsCAFile={AUTHORITY}"
    return f"mongodb://{user}:{password}@{MEMBERS}/?{options}"


def _password() -> str:
    return secrets.token_hex(24)


if __name__ == "__main__":
    sys.exit(main())
