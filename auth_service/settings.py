"""The settings of the auth service."""

from typing import Annotated

from msgspec import Meta

from shared.settings import Count, Port, Settings

Domain = Annotated[str, Meta(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)*$")]


class AuthSettings(Settings, frozen=True, kw_only=True):
    signing_keys: Annotated[
        str,
        Meta(
            min_length=1,
            description="folder of Ed25519 private keys, *.pem; if it is empty, a key is created",
        ),
    ]
    mongo_database: Annotated[
        str, Meta(min_length=1, max_length=63, description="database of this service")
    ] = "messaging_auth"
    port: Port = 8001
    amqp_url: Annotated[
        str,
        Meta(
            pattern=r"^(amqps?|memory)://",
            description="RabbitMQ, amqp://user:password@host:port/vhost; memory:// for none",
        ),
    ] = "memory://"
    sign_up: Annotated[
        str, Meta(pattern="^(open|closed)$", description="open, or closed: nobody can sign up")
    ] = "open"
    sign_up_domains: Annotated[
        tuple[Domain, ...],
        Meta(description="email domains that may sign up, comma separated; none allows all"),
    ] = ()
    access_token_seconds: Annotated[
        int, Meta(ge=1, le=86_400, description="lifetime of an access token in seconds")
    ] = 600
    refresh_token_days: Annotated[
        int, Meta(ge=1, le=365, description="a session ends after this time without use")
    ] = 30
    session_days: Annotated[
        int, Meta(ge=1, le=3650, description="a session ends this long after login in any case")
    ] = 90
    login_failures: Annotated[
        Count,
        Meta(description="wrong passwords of an account from one address before delays begin"),
    ] = 10
    sign_ups: Annotated[
        Count, Meta(description="sign-ups from one address before delays begin")
    ] = 200
    request_rate: Annotated[
        float, Meta(gt=0, description="requests a second that an employee may send to one replica")
    ] = 50.0
    request_burst: Annotated[
        Count, Meta(description="requests that an employee may send to one replica at once")
    ] = 200
    bcrypt_cost: Annotated[
        int, Meta(ge=4, le=16, description="bcrypt work factor; one more doubles the time")
    ] = 12
    bcrypt_workers: Annotated[
        Count, Meta(le=64, description="threads that compute bcrypt; as many as there are cores")
    ] = 2
    bcrypt_queue: Annotated[
        Count, Meta(le=10_000, description="passwords that may wait for a thread; beyond that, 503")
    ] = 64

    @property
    def broker_url(self) -> str | None:
        """`amqp_url`, or None without a broker."""
        return None if self.amqp_url.startswith("memory:") else self.amqp_url
