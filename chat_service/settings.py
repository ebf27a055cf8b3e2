"""The settings of the chat service."""

import socket
from typing import Annotated

from msgspec import Meta, field

from shared.settings import Count, Port, Seconds, Settings


class ChatSettings(Settings, frozen=True, kw_only=True):
    """The environment variables of the chat service; `shared.settings` says how they are read."""

    mongo_database: Annotated[str, Meta(min_length=1, description="database of this service")] = (
        "messaging_chat"
    )
    port: Port = 8002
    amqp_url: Annotated[
        str,
        Meta(
            pattern=r"^(amqps?|memory)://",
            description="RabbitMQ, amqp://user:password@host:port/vhost; memory:// for one process",
        ),
    ]
    auth_url: Annotated[
        str, Meta(pattern=r"^https?://[^/]+$", description="auth service, http://host:port")
    ]
    public_auth_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[a-z0-9.:\[\]-]+)?$",
            description="auth service as browsers reach it; empty if it shares this origin",
        ),
    ] = ""
    instance_id: Annotated[
        str, Meta(min_length=1, max_length=64, description="unique name of this instance")
    ] = field(default_factory=socket.gethostname)
    fanout_shards: Annotated[
        int, Meta(ge=1, le=4096, description="routing shards; must be the same on every instance")
    ] = 256
    fanout_queue_bytes: Annotated[
        Count,
        Meta(description="bytes that RabbitMQ queues for an instance before it drops the oldest"),
    ] = 67_108_864
    max_text: Annotated[Count, Meta(description="longest text of a message, in characters")] = 4000
    max_frame_bytes: Annotated[Count, Meta(description="largest WebSocket message")] = 65_536
    auth_seconds: Annotated[
        Seconds, Meta(description="how long a new socket may take to send its auth op")
    ] = 10.0
    heartbeat_seconds: Annotated[
        Seconds,
        Meta(description="WebSocket ping interval; half of it without a pong closes the socket"),
    ] = 25.0
    op_rate: Annotated[
        float, Meta(gt=0, description="ops and requests per second that an employee may send")
    ] = 100.0
    op_burst: Annotated[
        Count, Meta(description="ops and requests that an employee may send at once")
    ] = 1000
    max_in_flight: Annotated[
        Count, Meta(description="unanswered sends of a socket before reading from it pauses")
    ] = 64
    max_pending: Annotated[
        Count, Meta(description="sends waiting for the database before new ones are refused")
    ] = 20_000
    max_wait_seconds: Annotated[
        Seconds,
        Meta(description="how long a send may wait for its turn before it is refused for now"),
    ] = 1.0
    max_connections: Annotated[Count, Meta(description="sockets that an instance accepts")] = 20_000
    max_unauthenticated: Annotated[
        Count, Meta(description="sockets that wait for their auth op")
    ] = 1000
    max_address_unauthenticated: Annotated[
        Count, Meta(description="the same from one address (behind TRUSTED_PROXIES)")
    ] = 50
    max_employee_connections: Annotated[
        Count, Meta(description="sockets of one employee that an instance accepts")
    ] = 20
    max_write_buffer: Annotated[
        Count, Meta(description="bytes waiting for a slow socket before it is closed (4001)")
    ] = 1_048_576
    max_resume_conversations: Annotated[
        Count, Meta(description="conversations that one resume may name")
    ] = 500
    max_resume_entries: Annotated[
        Count, Meta(description="entries of one resume per conversation")
    ] = 500
    max_resume_total: Annotated[Count, Meta(description="entries of one resume in total")] = 5000
    max_resume_bytes: Annotated[Count, Meta(description="bytes of the entries of one resume")] = (
        4_194_304
    )
    commit_lanes: Annotated[
        int, Meta(ge=1, le=16, description="group commits in progress at once")
    ] = 1
    commit_batch: Annotated[
        int, Meta(ge=1, le=1000, description="most messages in one group commit")
    ] = 256
    gap_wait_seconds: Annotated[
        Seconds, Meta(description="how long to wait for a missing event before reading the log")
    ] = 0.05
    summary_seconds: Annotated[
        Seconds, Meta(description="interval at which conversation summaries are written")
    ] = 0.5
    deleted_employees: Annotated[
        str,
        Meta(
            pattern="^(keep|erase)$",
            description="keep or erase the messages of employees who delete their account",
        ),
    ] = "keep"
    presence_grace_seconds: Annotated[
        Seconds,
        Meta(description="how long an employee may be away before they are offline"),
    ] = 5.0
    presence_lease_seconds: Annotated[
        Seconds, Meta(description="how long an instance counts as alive after it renewed its lease")
    ] = 15.0
    drain_seconds: Annotated[
        Seconds, Meta(description="how long sockets and commits may take to finish at shutdown")
    ] = 10.0
